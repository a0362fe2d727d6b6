"""JSON forms of keys, versions, signatures and events, and the JSON bodies that routes take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from signer.domain.events import RecordedEvent
from signer.domain.keys import NAME_PATTERN, Key, KeyVersion, Purpose, Validity
from signer.domain.lifecycle import allowed_steps
from signer.domain.requests import Signature, SigningRequest
from signer.domain.timestamps import rfc3339
from signer.domain.workers import Readiness
from signer.services.key_pairs import KeyPairSelector
from signer.web.parsing import MAX_ID, Body, Query, QueryNumber, Timestamp


class ValidityBody(Body):
    """When and how often a version may sign; RFC 3339 timestamps with a zone."""

    not_before: Timestamp | None = None
    not_after: Timestamp | None = None
    signature_limit: int | None = Field(None, ge=1, le=1 << 53)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.not_before and self.not_after and self.not_after <= self.not_before:
            raise ValueError("not_after must be later than not_before")
        return self

    @property
    def validity(self) -> Validity:
        """The same as a value of the domain."""
        return Validity(not_before=self.not_before, not_after=self.not_after, signature_limit=self.signature_limit)


# The most that PKCS#11 tokens are asked for.
MAX_LABEL_BYTES = 255


def _label(value: str) -> str:
    if not 1 <= len(value.encode()) <= MAX_LABEL_BYTES:
        raise ValueError(f"must have 1 to {MAX_LABEL_BYTES} bytes in UTF-8")
    return value


class AdoptBody(Body):
    """A pair that is in the token already, by CKA_ID in hexadecimal (with colons or without) or by label.

    ``public_key``: PEM of its public key or a certificate, where the token shows neither.
    """

    cka_id: str | None = Field(None, pattern=r"^[0-9a-fA-F]{2}(:?[0-9a-fA-F]{2}){0,254}$")
    label: Annotated[str, AfterValidator(_label)] | None = None
    public_key: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.cka_id is None) == (self.label is None):
            raise ValueError("needs exactly one of cka_id and label")
        return self

    @property
    def selector(self) -> KeyPairSelector:
        """The same as services take it."""
        return KeyPairSelector(
            cka_id=bytes.fromhex(self.cka_id.replace(":", "")) if self.cka_id else None,
            label=self.label,
            unverified_public_key=self.public_key.encode() if self.public_key is not None else None,
        )


class NewKeyBody(ValidityBody):
    """``POST /v1/keys``. With ``adopt``, the pair is not generated but found in the token."""

    name: str
    algorithm: str
    purpose: Purpose = Purpose.ARTIFACT
    tokens: tuple[str, ...] = ()
    adopt: AdoptBody | None = None


class PrepareBody(ValidityBody):
    """``POST /v1/keys/{key}/versions``: the next version."""

    adopt: AdoptBody | None = None


class RetireBody(Body):
    """``POST …/versions/{n}/retire``. ``force``: why tokens end that still hold."""

    force: str | None = None


class DestroyBody(Body):
    """``POST …/versions/{n}/destroy``: the key's name once more, and ``force`` as above."""

    confirmation: str
    force: str | None = None


class EventsQuery(Query):
    """Parameters of ``GET /v1/events``."""

    after: Annotated[QueryNumber, Field(le=MAX_ID)] = 0
    limit: Annotated[QueryNumber, Field(ge=1, le=1000)] = 100
    key: str | None = Field(None, pattern=f"^{NAME_PATTERN.pattern}$")


class SignQuery(Query):
    """Parameters of the signing routes."""

    replace: Literal["true", "false"] = "false"


def key_document(key: Key, token_ends: Mapping[int, datetime | None] | None) -> dict[str, Any]:
    """A key with its versions, oldest first. ``token_ends``: when tokens of a version end, by its number."""
    active = key.active
    return {
        "name": key.name,
        "purpose": key.purpose.value,
        "algorithm": key.algorithm.value,
        "tokens": list(key.tokens),
        "created_at": rfc3339(key.created_at),
        "created_by": key.created_by,
        "active_version": active.number if active else None,
        "versions": [{**version_document(version), **_token_end(version, token_ends)} for version in key.existing],
    }


def _token_end(version: KeyVersion, ends: Mapping[int, datetime | None] | None) -> dict[str, Any]:
    return {} if ends is None else {"tokens_valid_until": rfc3339(ends.get(version.number))}


def version_document(version: KeyVersion) -> dict[str, Any]:
    """A key version. ``allowed_steps`` are those that may follow its state."""
    return {
        "version": version.number,
        "state": version.state.value,
        "origin": version.origin.value,
        "fingerprint": version.fingerprint,
        "cka_id": version.cka_id.hex(),
        "tokens": list(version.tokens),
        "created_at": rfc3339(version.created_at),
        "not_before": rfc3339(version.validity.not_before),
        "not_after": rfc3339(version.validity.not_after),
        "signature_count": version.signature_count,
        "signature_limit": version.validity.signature_limit,
        "last_signed_at": rfc3339(version.last_signed_at),
        "allowed_steps": [step.value for step in allowed_steps(version.state)],
    }


def signature_document(signature: Signature, request: SigningRequest, record: Mapping[str, Any]) -> dict[str, Any]:
    """A signature, the key that made it, what was seen of what it signs, and the ``record``: its leaf and proof."""
    header = request.header
    return {
        "signature": signature.encoded.decode("ascii"),
        "key": signature.key,
        "version": signature.version,
        "algorithm": signature.algorithm,
        "fingerprint": signature.fingerprint,
        "index": signature.index,
        "checked": request.checked.value,
        "manifest_sha256": request.manifest.sha256,
        "payloads": [{"name": entry.name, "sha256": entry.sha256} for entry in request.manifest.payloads],
        "artifact": None
        if header is None
        else {
            "name": header.artifact_name,
            "group": header.artifact_group,
            "device_types": list(header.device_types),
            "payload_types": list(header.payload_types),
        },
        **record,
    }


def event_document(recorded: RecordedEvent) -> dict[str, Any]:
    """An event of the record."""
    event = recorded.event
    return {
        "id": recorded.id,
        "at": rfc3339(recorded.at),
        "type": event.type.value,
        "actor": event.actor,
        "key": event.key,
        "version": event.version,
        "before": dict(event.before),
        "after": dict(event.after),
    }


def encoded(document: object) -> bytes:
    """Compact JSON with a final newline, for terminals."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def readiness_document(readiness: Readiness, *, names: bool) -> dict[str, object]:
    """The answer of ``/readyz``; ``names``: with what was found of each key, token and worker."""
    state = {"status": "ready" if readiness.ready else "not-ready"}
    if not names:
        return {**state}
    return {
        **state,
        "checked_at": rfc3339(readiness.checked_at),
        "workers": {"ready": readiness.workers, "expected": readiness.expected},
        "conditions": [
            {
                "name": item.name,
                "status": "ok" if item.code is None else "failed",
                "code": item.code,
                "vital": item.vital,
                "since": rfc3339(item.since),
            }
            for item in readiness.conditions
        ],
    }
