"""JSON forms of keys, versions, signatures and events, and the JSON bodies that routes take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from typing_extensions import TypedDict

from hsm.algorithms import Algorithm
from signer.domain.events import EventType, RecordedEvent
from signer.domain.keys import NAME_PATTERN, Key, KeyVersion, Origin, Purpose, Validity, VersionState
from signer.domain.lifecycle import Step, allowed_steps
from signer.domain.requests import Signature, SigningRequest
from signer.domain.timestamps import Moment, rfc3339
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


# What is none is refused in the domain, which knows what each purpose takes.
AlgorithmName = Annotated[str, WithJsonSchema({"type": "string", "enum": [*Algorithm]})]


class NewKeyBody(ValidityBody):
    """``POST /v1/keys``. With ``adopt``, the pair is not generated but found in the token."""

    name: str
    algorithm: AlgorithmName
    purpose: Purpose = Purpose.ARTIFACT
    tokens: tuple[str, ...] = ()
    adopt: AdoptBody | None = None
    blind_sign: bool = False


class BlindSignBody(Body):
    """``POST …/blind-sign``: whether the key signs digests from now on."""

    allowed: bool


class PrepareBody(ValidityBody):
    """``POST /v1/keys/{key}/versions``: the next version. ``tokens``: where it is to live, and the key after it."""

    tokens: tuple[str, ...] = ()
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


class VersionDocument(TypedDict):
    """A key version. ``tokens_valid_until``: of keys that sign tokens."""

    version: int
    state: VersionState
    origin: Origin
    fingerprint: str | None
    cka_id: str
    tokens: list[str]
    created_at: Moment
    not_before: Moment | None
    not_after: Moment | None
    signature_count: int
    signature_limit: int | None
    last_signed_at: Moment | None
    allowed_steps: list[Step]
    tokens_valid_until: NotRequired[Moment | None]


class KeyDocument(TypedDict):
    """A key with its versions, oldest first."""

    name: str
    purpose: Purpose
    algorithm: Algorithm
    tokens: list[str]
    created_at: Moment
    created_by: str
    blind_sign: bool
    active_version: int | None
    versions: list[VersionDocument]


class PayloadDigest(TypedDict):
    """A payload file that the manifest lists."""

    name: str
    sha256: str


class SignedArtifact(TypedDict):
    """What the header says that was signed."""

    name: str
    group: str | None
    device_types: list[str]
    payload_types: list[str | None]


class RecordMembers(TypedDict):
    """What the log says of something: the leaf for people, and the proof file for programs."""

    leaf: NotRequired[dict[str, Any]]
    proof: NotRequired[str]


class SignatureDocument(RecordMembers):
    """A signature, what made it, what was seen of what it signs, and its record."""

    signature: str
    key: str
    version: int
    algorithm: str
    fingerprint: str
    index: int
    checked: Literal["blind", "manifest", "head", "artifact"]
    manifest_sha256: str
    payloads: list[PayloadDigest]
    artifact: SignedArtifact | None


class EventDocument(TypedDict):
    """An event of the record. ``before``, ``after``: the facts that changed."""

    id: int
    at: Moment
    type: EventType
    actor: str
    key: str | None
    version: int | None
    before: dict[str, Any]
    after: dict[str, Any]


class WorkersDocument(TypedDict):
    """How many workers have proved all keys, and how many there should be."""

    ready: int
    expected: int


class ConditionDocument(TypedDict):
    """What was found of a key, a token or another part."""

    name: str
    status: Literal["ok", "failed"]
    code: str | None
    vital: bool
    since: Moment


class ReadinessDocument(TypedDict):
    """Whether it can sign; all but ``status`` is for those who may read every key."""

    status: Literal["ready", "not-ready"]
    checked_at: NotRequired[Moment | None]
    workers: NotRequired[WorkersDocument]
    conditions: NotRequired[list[ConditionDocument]]


def key_document(key: Key, token_ends: Mapping[int, datetime | None] | None) -> KeyDocument:
    """A key with its versions, oldest first. ``token_ends``: when tokens of a version end, by its number."""
    active = key.active
    return {
        "name": key.name,
        "purpose": key.purpose,
        "algorithm": key.algorithm,
        "tokens": list(key.tokens),
        "created_at": rfc3339(key.created_at),
        "created_by": key.created_by,
        "blind_sign": key.blind_sign,
        "active_version": active.number if active else None,
        "versions": [_with_token_end(version, token_ends) for version in key.existing],
    }


def _with_token_end(version: KeyVersion, ends: Mapping[int, datetime | None] | None) -> VersionDocument:
    document = version_document(version)
    if ends is not None:
        document["tokens_valid_until"] = rfc3339(ends.get(version.number))
    return document


def version_document(version: KeyVersion) -> VersionDocument:
    """A key version. ``allowed_steps`` are those that may follow its state."""
    return {
        "version": version.number,
        "state": version.state,
        "origin": version.origin,
        "fingerprint": version.fingerprint,
        "cka_id": version.cka_id.hex(),
        "tokens": list(version.tokens),
        "created_at": rfc3339(version.created_at),
        "not_before": rfc3339(version.validity.not_before),
        "not_after": rfc3339(version.validity.not_after),
        "signature_count": version.signature_count,
        "signature_limit": version.validity.signature_limit,
        "last_signed_at": rfc3339(version.last_signed_at),
        "allowed_steps": list(allowed_steps(version.state)),
    }


def signature_document(signature: Signature, request: SigningRequest, record: RecordMembers) -> SignatureDocument:
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


def event_document(recorded: RecordedEvent) -> EventDocument:
    """An event of the record."""
    event = recorded.event
    return {
        "id": recorded.id,
        "at": rfc3339(recorded.at),
        "type": event.type,
        "actor": event.actor,
        "key": event.key,
        "version": event.version,
        "before": dict(event.before),
        "after": dict(event.after),
    }


def encoded(document: object) -> bytes:
    """Compact JSON with a final newline, for terminals."""
    return _ENCODER.encode(document).encode() + b"\n"


# Made once: a batch has an answer for each of its items.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def readiness_document(readiness: Readiness, *, names: bool) -> ReadinessDocument:
    """The answer of ``/readyz``; ``names``: with what was found of each key, token and worker."""
    status: Literal["ready", "not-ready"] = "ready" if readiness.ready else "not-ready"
    if not names:
        return {"status": status}
    return {
        "status": status,
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
