"""What the client takes for an answer of the service. A proxy, a captive portal or another program may have written it.

1. A refusal counts as the service's only where it is a sound problem document (RFC 9457) with the members that the
   service sends; everything else becomes a sentence that tells the HTTP status alone.
2. A success counts only with the media type that was asked for, and JSON only where it is an object.
3. Redirects are not followed: the API token goes nowhere that nobody named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

JSON_MEDIA_TYPE = "application/json"
PEM_MEDIA_TYPE = "application/x-pem-file"
ARTIFACT_MEDIA_TYPE = "application/vnd.mender-artifact"
PROBLEM_MEDIA_TYPE = "application/problem+json"
# More than any document of the service: the list of keys has no pages.
MAX_DOCUMENT_BYTES = 64 << 20
SUCCESSES = range(200, 300)
REDIRECTS = range(300, 400)
# RSA of 4096 bits has 684 characters; nothing that signs artifacts has more.
SIGNATURE = re.compile(r"[A-Za-z0-9+/]{64,1024}={0,2}")
SECONDS = re.compile(r"[0-9]{1,6}")
MAX_RETRY_AFTER = 999_999
VERSION = re.compile(r"[1-9][0-9]{0,8}")
# Of a log of 2^63 leaves.
MAX_PATH_HASHES = 63
FINGERPRINT = re.compile(r"[0-9a-f]{64}")
HINT = "check ARTIFACT_SIGNER_URL, and what stands between here and the service"


@dataclass(eq=False, kw_only=True)
class ClientError(Exception):
    """The client could not ask: ``sentence`` says why, ``hint`` what to do."""

    sentence: str
    hint: str | None = None

    def __str__(self) -> str:
        return self.sentence


@dataclass(eq=False, kw_only=True)
class ServiceRefusal(ClientError):
    """The service answered with a problem document. ``code`` is its stable code, ``status`` the HTTP status.

    ``retry_after``: seconds after which the same may be asked again; None where it says nothing of that.
    """

    code: str
    status: int
    document: Mapping[str, Any]
    retry_after: int | None = None


@dataclass(eq=False, kw_only=True)
class ConnectionFailed(ClientError):
    """The service was not reached, or its answer did not come: another time it may."""


@dataclass(eq=False, kw_only=True)
class UnexplainedStatus(ClientError):
    """An HTTP status that came without a problem document of the service, such as a proxy sends."""

    status: int


class Document(dict[str, Any]):
    """A JSON object of an answer; to ask for a member that it lacks is a ``ClientError``."""

    def __missing__(self, name: str) -> Any:
        raise not_the_service(f"JSON without {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBy:
    """Which key version signed an artifact: its number, and the SHA-256 of its SubjectPublicKeyInfo in hex."""

    version: int
    fingerprint: str


def collected(chunks: Iterable[bytes]) -> bytes:
    """A small body; raises ``ClientError`` where it is none."""
    content = SmallBody()
    for chunk in chunks:
        content.take(chunk)
    return bytes(content)


class SmallBody(bytearray):
    """A body while it comes."""

    def take(self, chunk: bytes) -> None:
        """The next bytes; raises ``ClientError`` where it is no small one."""
        self.extend(chunk)
        if len(self) > MAX_DOCUMENT_BYTES:
            raise ClientError(sentence="the answer is larger than any document of the service", hint=HINT)


def refusal(status: int, content_type: str, content: bytes, retry_after: str = "") -> ClientError:
    """The error that an answer means which is no success; ``ServiceRefusal`` where the service itself refuses.

    ``retry_after``: the header field of this name, as it came.
    """
    document = _object(content) if media_type(content_type) in (PROBLEM_MEDIA_TYPE, JSON_MEDIA_TYPE) else None
    seconds = int(retry_after) if SECONDS.fullmatch(retry_after) else None
    found = None if document is None else _refusal(status, document, seconds)
    if found is not None:
        return found
    if status in REDIRECTS:
        return ClientError(
            sentence=f"HTTP status {status} redirects to elsewhere, which the service never does", hint=HINT
        )
    return UnexplainedStatus(
        sentence=f"HTTP status {status} came without a problem document of the service", hint=HINT, status=status
    )


def refused_item(item: Document) -> ServiceRefusal:
    """What an item of a batch was refused with; raises ``ClientError`` where that is no refusal of the service."""
    status, problem, seconds = item["status"], item["problem"], item.get("retry_after")
    if type(status) is int and isinstance(problem, Document) and status not in SUCCESSES:
        after = seconds if type(seconds) is int and 0 <= seconds <= MAX_RETRY_AFTER else None
        found = _refusal(status, problem, after)
        if found is not None:
            return found
    raise not_the_service("an answer to an item that is neither a signature nor a problem")


def _refusal(status: int, document: Document, retry_after: int | None) -> ServiceRefusal | None:
    """The refusal that a sound problem document tells of."""
    code, detail, hint = (document.get(name) for name in ("code", "detail", "hint"))
    if not isinstance(code, str) or not isinstance(detail, str) or not isinstance(hint, str | None):
        return None
    return ServiceRefusal(
        sentence=detail, hint=hint, code=code, status=status, document=document, retry_after=retry_after
    )


def json_object(content: bytes) -> Document:
    """The JSON document of a success; raises ``ClientError``."""
    document = _object(content)
    if document is None:
        raise not_the_service("JSON that is not an object, or none")
    return document


def json_list(content: bytes) -> list[Document]:
    """The JSON documents of a success that lists them; raises ``ClientError``."""
    try:
        found = json.loads(content, object_hook=Document)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(each, Document) for each in found):
        raise not_the_service("JSON that is not a list of objects, or none")
    return found


def encoded_signature(document: Document) -> bytes:
    """The bytes of ``manifest.sig``, from the document of a signature; raises ``ClientError``."""
    signature = document["signature"]
    if not isinstance(signature, str) or not SIGNATURE.fullmatch(signature):
        raise not_the_service("a signature that is not base64")
    return signature.encode("ascii")


def proof_text(document: Document) -> bytes:
    """The proof file of a document that carries one; raises ``ClientError``."""
    proof = document["proof"]
    try:
        return proof.encode("utf-8") if isinstance(proof, str) else b""
    except UnicodeEncodeError:
        raise not_the_service("a proof that is no text") from None


def hashes(document: Document) -> tuple[bytes, ...]:
    """The path of a proof of the log, from its document; raises ``ClientError``."""
    path = document["hashes"]
    if not isinstance(path, list) or len(path) > MAX_PATH_HASHES:
        raise not_the_service("a proof that is none")
    if not all(isinstance(each, str) and FINGERPRINT.fullmatch(each) for each in path):
        raise not_the_service("a proof with hashes that are none")
    return tuple(bytes.fromhex(each) for each in path)


def ascii_text(content: bytes) -> str:
    """The text of a success, such as PEM; raises ``ClientError``."""
    try:
        return content.decode("ascii")
    except UnicodeDecodeError as error:
        raise not_the_service("text that is not ASCII") from error


def signing_key(headers: Mapping[str, str]) -> SignedBy:
    """The key that signed, from the headers of a signed artifact; raises ``ClientError``."""
    version = headers.get("X-Signing-Key-Version", "")
    fingerprint = headers.get("X-Signing-Key-Fingerprint", "")
    if not VERSION.fullmatch(version) or not FINGERPRINT.fullmatch(fingerprint):
        raise not_the_service("an artifact without its X-Signing-Key headers")
    return SignedBy(version=int(version), fingerprint=fingerprint)


def signing_key_of(document: Document) -> SignedBy:
    """The key that signed, from the document of a signature; raises ``ClientError``."""
    version, fingerprint = document["version"], document["fingerprint"]
    if type(version) is not int or version < 1 or not isinstance(fingerprint, str):
        raise not_the_service("a signature without the key that made it")
    if not FINGERPRINT.fullmatch(fingerprint):
        raise not_the_service("a signature without the key that made it")
    return SignedBy(version=version, fingerprint=fingerprint)


def media_type(content_type: str) -> str:
    """``application/json`` of ``Application/JSON; charset=utf-8`` (RFC 9110 section 8.3.1)."""
    return content_type.partition(";")[0].strip().lower()


def not_the_service(what: str) -> ClientError:
    """A success that the service does not answer with."""
    return ClientError(sentence=f"what answers is not an artifact-signer service: it sent {what}", hint=HINT)


def _object(content: bytes) -> Document | None:
    try:
        document = json.loads(content, object_hook=Document)
    except (ValueError, RecursionError):  # ValueError: not JSON, not UTF-8, or a number of too many digits
        return None
    return document if isinstance(document, Document) else None
