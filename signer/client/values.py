"""What the service answers, read once into values. Each ``of`` raises ``ClientError`` for what is no such answer.

``document`` holds all that came, with members that this release does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from signer.answers import (
    ClientError,
    Document,
    ServiceRefusal,
    SignedBy,
    encoded_signature,
    not_the_service,
    proof_text,
    refused_item,
    signing_key_of,
)

OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature as the service tells of it. It is not verified: ``signer.signature_check`` does that.

    Attributes:
        encoded: the bytes of ``manifest.sig``.
        by: the version that signed.
        index: of the leaf of the log that records it.
        checked: how much was seen: ``manifest``, ``head`` or ``artifact``.
        manifest_sha256: of what was signed, hex.
        proof: the proof file (C2SP tlog-proof); None where none came.
    """

    encoded: bytes
    by: SignedBy
    index: int
    checked: str
    manifest_sha256: str
    proof: bytes | None
    document: Document = field(repr=False)

    @classmethod
    def of(cls, document: Document) -> Signature:
        """From the document of a signature, or the answer to an item of a batch."""
        return cls(
            encoded=encoded_signature(document),
            by=signing_key_of(document),
            index=_number(document, "index"),
            checked=_text(document, "checked"),
            manifest_sha256=_text(document, "manifest_sha256"),
            proof=proof_text(document) if "proof" in document else None,
            document=document,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What an item of a batch was refused with. ``error``: as it would be raised."""

    error: ServiceRefusal


def batch_results(document: Document, expected: int) -> tuple[Signature | Refused, ...]:
    """The answers to ``expected`` items, in order; raises ``ClientError`` where there are others."""
    results = document["results"]
    if not isinstance(results, list) or len(results) != expected:
        raise not_the_service("another number of answers than a batch has items")
    return tuple(_result(each) for each in results)


def _result(item: Any) -> Signature | Refused:
    if not isinstance(item, Document):
        raise not_the_service("an answer to an item that is none")
    if item["status"] == OK:
        return Signature.of(item)
    return Refused(error=refused_item(item))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVersion:
    """A version of a key. ``fingerprint``: SHA-256 of its SubjectPublicKeyInfo, hex; None while it has no pair."""

    number: int
    state: str
    fingerprint: str | None

    @classmethod
    def of(cls, document: Document) -> KeyVersion:
        """From its part of the document of a key."""
        fingerprint = document["fingerprint"]
        if fingerprint is not None and not isinstance(fingerprint, str):
            raise not_the_service("a fingerprint that is none")
        return cls(number=_number(document, "version"), state=_text(document, "state"), fingerprint=fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key with its versions, oldest first. ``active_version``: the number of the one that signs, if there is one."""

    name: str
    purpose: str
    algorithm: str
    active_version: int | None
    versions: tuple[KeyVersion, ...]
    document: Document = field(repr=False)

    @classmethod
    def of(cls, document: Document) -> Key:
        """From its document."""
        active = document["active_version"]
        return cls(
            name=_text(document, "name"),
            purpose=_text(document, "purpose"),
            algorithm=_text(document, "algorithm"),
            active_version=None if active is None else _number(document, "active_version"),
            versions=tuple(KeyVersion.of(each) for each in _documents(document, "versions")),
            document=document,
        )


def keys_of(document: Document) -> tuple[Key, ...]:
    """From the document of all keys."""
    return tuple(Key.of(each) for each in _documents(document, "keys"))


def log_keys_of(document: Document) -> tuple[str, ...]:
    """Verifier keys, from their document."""
    keys = document["keys"]
    if not isinstance(keys, list) or not all(isinstance(each, str) for each in keys):
        raise not_the_service("keys of the log that are none")
    return tuple(keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session of a CI job. ``token``: bearer token, never in ``repr``; ``expires_at``: RFC 3339."""

    token: str = field(repr=False)
    identity: str
    expires_at: str

    @classmethod
    def of(cls, document: Document) -> Session:
        """From the answer to an exchange."""
        try:
            return cls(
                token=_text(document, "session"),
                identity=_text(document, "identity"),
                expires_at=_text(document, "expires_at"),
            )
        except ClientError as error:
            raise ClientError(sentence="the service answered without a session", hint=error.hint) from error


def _text(document: Document, name: str) -> str:
    value = document[name]
    if not isinstance(value, str):
        raise not_the_service(f"JSON whose {name!r} is no text")
    return value


def _number(document: Document, name: str) -> int:
    value = document[name]
    if type(value) is not int or value < 0:
        raise not_the_service(f"JSON whose {name!r} is no number")
    return value


def _documents(document: Document, name: str) -> list[Document]:
    value = document[name]
    if not isinstance(value, list) or not all(isinstance(each, Document) for each in value):
        raise not_the_service(f"JSON whose {name!r} is no list of objects")
    return value
