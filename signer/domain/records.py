"""Records of signatures: who had what signed, as leaves of the log.

1. Their size is bounded whatever an artifact holds: what is too long stands there as its digest.
2. One is written for the signature *on record*, which is what every later answer gives out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from signer.domain.access.emergencies import Emergency
from signer.domain.access.limits import LimitDemand, LimitReached
from signer.domain.floors import FloorUnmet, VersionClaim
from signer.domain.leaves import LEAF_ID_BYTES, Leaf, LogEvent, SearchColumns, bounded, leaf_time
from signer.domain.requests import AnyRequest, Checked
from verifier.log.leaves import FORM_VERSION, LeafValue, canonical_leaf

RECORD_ID_BYTES = LEAF_ID_BYTES


class RecordType(StrEnum):
    """What a record says."""

    SIGNATURE = LogEvent.SIGNATURE.value  # this was signed, after so much of it was seen
    REPEATED = LogEvent.SIGNATURE_REPEATED.value  # a further identity was given the signature on record


class Refusal(StrEnum):
    """Why a version may not sign at the moment of recording, or its signature on record not be given out."""

    NOT_ACTIVE = "not-active"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    LIMIT_REACHED = "limit-reached"
    CLOCK_BEHIND = "clock-behind"
    RATE_LIMITED = "rate-limited"  # the identity has made all that it may for now
    COUNT_REACHED = "count-reached"  # or ever
    VERSION_TOO_OLD = "version-too-old"
    VERSION_STEP_TOO_LARGE = "version-step-too-large"
    SUBJECT_REFUSED = "subject-refused"  # who would get the token may not have one now
    TOKENS_LIMITED = "tokens-limited"  # or has had all that there are for now
    APPROVAL_ENDED = "approval-ended"
    RECALLED = "recalled"  # its manifest was, under every key and for ever
    NOT_RECORDABLE = "not-recordable"  # what was sent has no form as a record; no caller builds such


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """What people have approved: the id, and until when it may be recorded."""

    id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureEntry:
    """A verified signature that waits for its record.

    Attributes:
        record_id: the id of its leaf, as ``new_leaf_id`` makes it. The same entry may be sent again under the same id;
            it is recorded once.
        request_id: of the request that it answers, as its log line has it.
        access_revision: of the records that were looked at when the signature was decided.
        rule: what allowed it.
        manifest_sha256: lowercase hex digest of the signed bytes.
        seen: what was seen of the artifact, as ``seen_of`` tells it.
        identity: who asked.
        signature: the bytes of ``manifest.sig``.
        claim: the version of what is signed, where the rule asks for one.
        limits: how many signatures the identity may have made with the key.
        approval: what was approved, where the rule asks for that.
        emergency: who had it signed past its approvals, and why; None where nobody did.
    """

    record_id: bytes
    request_id: str
    key: str
    version_id: int
    version: int
    algorithm: str
    fingerprint: str
    access_revision: int
    rule: str
    manifest_sha256: str
    checked: Checked
    seen: Mapping[str, LeafValue]
    identity: str
    signature: bytes
    claim: VersionClaim | None = None
    limits: tuple[LimitDemand, ...] = ()
    approval: Approved | None = None
    emergency: Emergency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The signature may leave.

    Attributes:
        signature: the one on record, which is not always the one that was sent; empty for a token, which stands
            nowhere.
        index: of the record of type ``signature`` that saw most of it, from 0.
        at: when that was recorded, aware UTC.
        repeated: the signature was on record before.
        size: of a checkpoint that covers it; 0 where none is told.
    """

    signature: bytes
    index: int
    at: datetime
    repeated: bool
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """Nothing was recorded: keys or access have changed since it was decided. ``access_revision``: the present one."""

    access_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Nothing was recorded: the version may not sign now.

    Attributes:
        unmet: the floor that was not met, where one was not.
        reached: the limit that leaves no room for another signature, where one does not.
        retry_after: seconds until another token may be had, where none may now.
    """

    reason: Refusal
    unmet: FloorUnmet | None = None
    reached: LimitReached | None = None
    retry_after: float | None = None


Outcome = Recorded | Stale | Refused


def seen_of(request: AnyRequest) -> dict[str, LeafValue]:
    """What was seen of an artifact, as members of its record: header digest, names, devices, payload types."""
    header, manifest = request.header, request.manifest
    if header is None or manifest is None:
        return {}
    members: dict[str, LeafValue] = {"header_sha256": manifest.header_digest}
    members |= bounded("artifact", header.artifact_name)
    if header.artifact_group:
        members |= bounded("group", header.artifact_group)
    members |= bounded("devices", list(header.device_types))
    members |= bounded("payload_types", [each for each in header.payload_types if each is not None])
    return members


def record_leaf(entry: SignatureEntry, kind: RecordType, *, signature: bytes, signature_id: int, at: datetime) -> Leaf:
    """A record as a leaf; raises ``verifier.errors.LeafMalformed`` for what no caller builds."""
    artifact = entry.seen.get("artifact")
    return Leaf(
        content=_content(entry, kind, signature, at),
        columns=SearchColumns(
            leaf_id=entry.record_id,
            type=kind.value,
            at=at,
            actor=entry.identity,
            key=entry.key,
            key_version=entry.version,
            artifact=artifact if isinstance(artifact, str) else None,
            manifest_sha256=entry.manifest_sha256,
            checked=entry.checked.value,
            emergency=entry.emergency is not None,
        ),
        signature_id=signature_id,
    )


def _content(entry: SignatureEntry, kind: RecordType, signature: bytes, at: datetime) -> bytes:
    return canonical_leaf(
        {
            **entry.seen,
            **({} if entry.claim is None else entry.claim.members),
            **({} if entry.approval is None else {"approval": entry.approval.id}),
            **({} if entry.emergency is None else _emergency(entry.emergency)),
            "v": FORM_VERSION,
            "type": kind.value,
            "time": leaf_time(at),
            "id": entry.record_id.hex(),
            "request": entry.request_id,
            "actor": entry.identity,
            "rule": entry.rule,
            "key": entry.key,
            "key_version": entry.version,
            "fingerprint": entry.fingerprint,
            "algorithm": entry.algorithm,
            "manifest_sha256": entry.manifest_sha256,
            "checked": entry.checked.value,
            "signature": signature.decode("ascii"),
        }
    )


def _emergency(emergency: Emergency) -> dict[str, LeafValue]:
    return {"emergency": True, "person": emergency.person, "reason": emergency.reason}
