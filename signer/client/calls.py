"""What is asked of the service, a function for each route of the library: a request, and how its answer is read.

Nothing here sends: ``Client`` and ``AsyncClient`` do. All of it may be asked again (``retries``).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar
from urllib.parse import quote

from signer.answers import (
    ARTIFACT_MEDIA_TYPE,
    JSON_MEDIA_TYPE,
    PEM_MEDIA_TYPE,
    Document,
    ascii_text,
    hashes,
    json_object,
    proof_text,
)
from signer.client.values import Key, Refused, Session, Signature, batch_results, keys_of, log_keys_of

BYTES_MEDIA_TYPE = "application/octet-stream"
TEXT_MEDIA_TYPE = "text/plain"
EMERGENCY_HEADER = "X-Signing-Emergency-Reason"
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Result]):
    """One request. ``operation``: its name in the OpenAPI document; ``read``: its value, from a body of ``expected``.

    ``content``: the body; None where it has none, or where it comes from elsewhere.
    """

    operation: str
    method: str
    path: str
    expected: str
    read: Callable[[bytes], Result]
    parameters: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str | bytes] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a signature is asked for.

    Attributes:
        replace: the artifact's signature is dropped.
        emergency: the reason why its approvals shall be passed; None where they shall not.
    """

    replace: bool = False
    emergency: str | None = None

    @property
    def parameters(self) -> dict[str, str | int]:
        """Of the query."""
        return {"replace": str(self.replace).lower()}

    @property
    def headers(self) -> dict[str, str | bytes]:
        """What the service is told beside the body."""
        return {} if self.emergency is None else {EMERGENCY_HEADER: self.emergency.encode()}


class Part(StrEnum):
    """What an item of a batch is."""

    MANIFEST = "manifest"
    HEAD = "head"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """A manifest, or the head of an artifact: its bytes from the first one to at least the end of the header."""

    part: Part
    content: bytes


def key_path(key: str, *parts: str | int) -> str:
    """The route of a key, whatever characters the name holds."""
    return "/".join(["/v1/keys", quote(key, safe=""), *(str(part) for part in parts)])


def _json(
    operation: str,
    method: str,
    path: str,
    read: Callable[[Document], Result],
    *,
    content: bytes | None = None,
    parameters: Mapping[str, str | int] | None = None,
    headers: Mapping[str, str | bytes] | None = None,
) -> Call[Result]:
    return Call(
        operation=operation,
        method=method,
        path=path,
        expected=JSON_MEDIA_TYPE,
        read=lambda body: read(json_object(body)),
        content=content,
        parameters=parameters or {},
        headers={"Accept": JSON_MEDIA_TYPE, **(headers or {})},
    )


def _plain_json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def sign(key: str, content: bytes, asked: Asked) -> Call[Signature]:
    """``content``: a manifest, or the head of an artifact."""
    return _json(
        "sign",
        "POST",
        key_path(key, "signatures"),
        Signature.of,
        content=content,
        parameters=asked.parameters,
        headers={"Content-Type": BYTES_MEDIA_TYPE, **asked.headers},
    )


def sign_batch(key: str, items: Iterable[BatchItem], asked: Asked) -> Call[tuple[Signature | Refused, ...]]:
    """An answer for each item, in order."""
    requests = [{item.part.value: base64.b64encode(item.content).decode("ascii")} for item in items]
    return _json(
        "sign_batch",
        "POST",
        key_path(key, "signatures", "batch"),
        lambda document: batch_results(document, len(requests)),
        content=_plain_json({"requests": requests}),
        parameters=asked.parameters,
        headers={"Content-Type": JSON_MEDIA_TYPE, **asked.headers},
    )


def sign_artifact(key: str, size: int | None, asked: Asked) -> Call[bytes]:
    """A whole artifact, whose ``size`` bytes are sent as they are read; the body that comes is the signed one."""
    length = {} if size is None else {"Content-Length": str(size)}
    return Call(
        operation="sign_artifact",
        method="POST",
        path=key_path(key, "artifacts"),
        expected=ARTIFACT_MEDIA_TYPE,
        read=bytes,
        parameters=asked.parameters,
        headers={"Content-Type": BYTES_MEDIA_TYPE, **length, **asked.headers},
    )


def keys() -> Call[tuple[Key, ...]]:
    """All keys that the caller may know of."""
    return _json("list_keys", "GET", "/v1/keys", keys_of)


def key(name: str) -> Call[Key]:
    """One key."""
    return _json("show_key", "GET", key_path(name), Key.of)


def public_key(name: str, version: int) -> Call[bytes]:
    """The public key of a version, PEM."""
    return Call(
        operation="public_key",
        method="GET",
        path=key_path(name, "versions", version, "public-key"),
        expected=PEM_MEDIA_TYPE,
        read=lambda body: ascii_text(body).encode("ascii"),
    )


def proof(name: str, version: int, manifest_sha256: str, *, witnessed: bool = False) -> Call[bytes]:
    """The proof file that a signature of this manifest is on record; ``witnessed``: where witnesses signed too."""
    which: dict[str, str | int] = {"manifest_sha256": manifest_sha256, "key": name, "version": version}
    if witnessed:
        which["witnessed"] = "true"
    return _json("log_proof", "GET", "/v1/log/proof", proof_text, parameters=which)


def consistency(old_size: int, size: int) -> Call[tuple[bytes, ...]]:
    """The path that shall prove that the log of ``size`` leaves begins with that of ``old_size``."""
    return _json("log_proof", "GET", "/v1/log/proof", hashes, parameters={"from": old_size, "to": size})


def checkpoint() -> Call[bytes]:
    """The newest checkpoint, a signed note that is not verified."""
    return Call(
        operation="log_checkpoint", method="GET", path="/v1/log/checkpoint", expected=TEXT_MEDIA_TYPE, read=bytes
    )


def log_keys() -> Call[tuple[str, ...]]:
    """The keys that the service says its checkpoints are verified with; who trusts them had them before."""
    return _json("log_keys", "GET", "/v1/log/keys", log_keys_of)


def exchange_ci_token(token: str, nonce: str) -> Call[Session]:
    """A session for the token of a CI job. Asked again with the same nonce, within a minute it is the same session."""
    return _json(
        "exchange_ci_token",
        "POST",
        "/v1/auth/ci",
        Session.of,
        content=_plain_json({"token": token, "nonce": nonce}),
        headers={"Content-Type": JSON_MEDIA_TYPE},
    )
