"""What is published of keys: public halves in the one form that all Mender clients read."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from signer.domain.keys import Key, KeyVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion:
    """A version that a device should trust now; ``pem``: its public key, one block ``PUBLIC KEY``."""

    version: KeyVersion
    pem: bytes


def public_key_pem(spki: bytes) -> bytes:
    """A DER SubjectPublicKeyInfo as PEM (``BEGIN PUBLIC KEY``)."""
    return load_der_public_key(spki).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def published(key: Key) -> tuple[PublishedVersion, ...]:
    """The versions that a device should trust now, oldest first.

    A version past its not-after signs no more, but what it signed stays valid until somebody retires it: a date
    alone must not take the last key from a fleet.
    """
    return tuple(
        PublishedVersion(version=version, pem=public_key_pem(version.spki))
        for version in key.trusted
        if version.spki is not None
    )
