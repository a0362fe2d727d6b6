"""What workers and the recorder say to each other: frames of bounded length, each one JSON document.

1. A frame is its length in four bytes, big-endian, and that many bytes. A longer one than ``MAX_FRAME_BYTES``, or one
   that cannot be understood, ends the connection: nothing that follows could be trusted to begin where it seems to.
2. A worker sends ``{"record": [entry…]}``, ``{"tokens": [entry…]}``, ``{"ping": number}``, ``{"prove": number}``,
   ``{"tell": number}``, or ``{"refused": [call…]}``, which has no answer. The recorder answers
   ``{"outcomes": [[id, …]…]}``, in whatever order and portions, ``{"pong": number}``, ``{"proved": number}`` with
   the failure, where there is one, and ``{"told": number}`` with its figures.
3. An entry is a list in the order of ``_MEMBERS``, then its other parts and its deadline, seconds of the machine's
   monotonic clock: whoever comes too late is neither recorded nor answered. Those of tokens are in ``tokens``.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from signer.domain.recorder_figures import RecorderFigures
from signer.domain.records import (
    RECORD_ID_BYTES,
    Approved,
    Outcome,
    Recorded,
    Refusal,
    Refused,
    SignatureEntry,
    Stale,
)
from signer.domain.refusals import RefusedCall
from signer.domain.requests import Checked
from signer.domain.token_records import Entry
from signer.errors import (
    LOG_FAULTS,
    ClockDiffers,
    DatabaseDamaged,
    DatabaseFileLost,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
    RecorderUnavailable,
    SignerError,
)
from signer.recorder.claims import packed_claim, packed_unmet, parsed_claim, parsed_unmet
from signer.recorder.emergencies import packed_emergency, parsed_emergency
from signer.recorder.limits import packed_limits, packed_reached, parsed_limits, parsed_reached
from signer.recorder.tokens import parsed_token

LENGTH = struct.Struct(">I")
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
MAX_ENTRIES = 256
# As many entries as a frame may have, each of the longest.
MAX_FRAME_BYTES = MAX_ENTRIES * 20 * 1024

Answer = Outcome | SignerError

_ID = re.compile(rf"[0-9a-f]{{{2 * RECORD_ID_BYTES}}}")
_TEXTS = ("request_id", "key", "algorithm", "fingerprint", "rule", "manifest_sha256", "identity")
_NUMBERS = ("version_id", "version", "access_revision")
_MEMBERS = (*_TEXTS, *_NUMBERS)
_TYPES = (*[str] * len(_TEXTS), *[int] * len(_NUMBERS))
# Of what "recorded" says: the signature, the index, the time, whether it was on record before, the checkpoint's size.
_RECORDED = (str, int, str, bool, int)
_REFUSAL = ("identity", "key", "reason", "request_id", "manifest_sha256")
MAX_TEXT = 4096
_BIGINT = 1 << 63
_FAILURES: dict[str, type[SignerError]] = {
    kind.code: kind
    for kind in (
        ClockDiffers,
        DatabaseUnavailable,
        DatabaseFull,
        DatabaseReadOnly,
        DatabaseFileLost,
        DatabaseDamaged,
        *LOG_FAULTS,
    )
}


class FrameError(Exception):
    """The other side said something that it cannot have meant."""


@dataclass(frozen=True, slots=True)
class Posted:
    """An entry on its way, and until when its sender waits."""

    entry: Entry
    deadline: float


@dataclass(frozen=True, slots=True)
class Ping:
    """A question whether the recorder still answers."""

    number: int


@dataclass(frozen=True, slots=True)
class Prove:
    """A question whether what a signature needs of the recorder works now: the database, a token and the disk."""

    number: int


@dataclass(frozen=True, slots=True)
class Proved:
    """The answer. ``failure``: why it does not work; None where it does."""

    number: int
    failure: SignerError | None


@dataclass(frozen=True, slots=True)
class Tell:
    """A question for what the recorder's work has cost."""

    number: int


@dataclass(frozen=True, slots=True)
class Told:
    """The answer."""

    number: int
    figures: RecorderFigures


class FrameReader:
    """Takes bytes as they come and gives whole frames. After a ``FrameError`` it is of no use."""

    def __init__(self, *, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._buffer = bytearray()
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are complete with ``data``; raises ``FrameError``."""
        self._buffer += data
        start, end = 0, len(self._buffer)
        try:
            while end - start >= LENGTH.size:
                (length,) = LENGTH.unpack_from(self._buffer, start)
                if length > self._max_bytes:
                    raise FrameError
                stop = start + LENGTH.size + length
                if stop > end:
                    break
                yield bytes(self._buffer[start + LENGTH.size : stop])
                start = stop
        finally:
            del self._buffer[:start]


def frame(document: object) -> bytes:
    """A document as a frame."""
    body = _ENCODER.encode(document).encode()
    return LENGTH.pack(len(body)) + body


def packed_entry(entry: SignatureEntry, deadline: float) -> list[Any]:
    """An entry as part of a frame."""
    plain = [getattr(entry, name) for name in _MEMBERS]
    signature = entry.signature.decode("ascii")
    claim = None if entry.claim is None else packed_claim(entry.claim)
    limits, emergency = packed_limits(entry.limits), packed_emergency(entry.emergency)
    approval = None if entry.approval is None else [entry.approval.id, entry.approval.expires_at.isoformat()]
    seen = entry.checked.value, entry.seen
    return [entry.record_id.hex(), *plain, *seen, signature, claim, limits, approval, emergency, deadline]


def parsed_message(unverified_frame: bytes) -> list[Posted] | list[RefusedCall] | Ping | Prove | Tell:
    """What a worker says; raises ``FrameError``."""
    match _document(unverified_frame):
        case {"record": list(entries), **others} if not others and len(entries) <= MAX_ENTRIES:
            return [_posted(entry) for entry in entries]
        case {"tokens": list(entries), **others} if not others and len(entries) <= MAX_ENTRIES:
            return [_posted_token(entry) for entry in entries]
        case {"ping": int(number), **others} if not others:
            return Ping(number)
        case {"prove": int(number), **others} if not others:
            return Prove(number)
        case {"tell": int(number), **others} if not others:
            return Tell(number)
        case {"refused": list(calls), **others} if not others and len(calls) <= MAX_ENTRIES:
            return [_refusal(call) for call in calls]
    raise FrameError


def packed_refusal(call: RefusedCall) -> list[str]:
    """A refusal as part of a frame."""
    return [getattr(call, name) for name in _REFUSAL]


def packed_answer(record_id: bytes, answer: Answer, *, size: int = 0) -> list[Any]:
    """An answer as part of a frame; ``size``: of the checkpoint that covers it."""
    said: list[Any]
    match answer:
        case Recorded():
            signature = answer.signature.decode("ascii")
            said = ["recorded", signature, answer.index, answer.at.isoformat(), answer.repeated, size]
        case Stale():
            said = ["stale", answer.access_revision]
        case Refused():
            said = ["refused", answer.reason.value, *_because(answer)]
        case _:
            said = ["failed", *_packed_failure(answer)]
    return [record_id.hex(), *said]


def _because(refused: Refused) -> list[Any]:
    if refused.retry_after is not None:
        return [refused.retry_after]
    return packed_unmet(refused.unmet) if refused.reached is None else packed_reached(refused.reached)


def packed_proof(proved: Proved) -> dict[str, Any]:
    """The answer to ``Prove`` as a document."""
    failure = {} if proved.failure is None else {"failed": _packed_failure(proved.failure)}
    return {"proved": proved.number, **failure}


def packed_figures(told: Told) -> dict[str, Any]:
    """The answer to ``Tell`` as a document."""
    return {"told": told.number, "figures": asdict(told.figures)}


def _packed_failure(error: SignerError) -> list[Any]:
    return [error.code, error.facts] if error.code in _FAILURES else [RecorderUnavailable.code, {}]


def parsed_answers(unverified_frame: bytes) -> list[tuple[bytes, Answer]] | Ping | Proved | Told:
    """What the recorder says; raises ``FrameError``."""
    match _document(unverified_frame):
        case {"outcomes": list(outcomes)}:
            return [_answer(outcome) for outcome in outcomes]
        case {"pong": int(number)}:
            return Ping(number)
        case {"proved": int(number), "failed": [str(code), dict(facts)]}:
            return Proved(number, _failure(code, facts))
        case {"proved": int(number), **others} if not others:
            return Proved(number, None)
        case {"told": int(number), "figures": dict(figures)}:
            return Told(number, _figures(figures))
    raise FrameError


def _document(unverified_frame: bytes) -> Any:
    try:
        return json.loads(unverified_frame)
    except (ValueError, RecursionError):
        raise FrameError from None


def _posted(unverified: Any) -> Posted:
    try:
        record_id, *plain, checked, seen, signature, claim, limits, approval, emergency, deadline = unverified
        if not _well_formed(record_id, plain) or not isinstance(seen, dict):
            raise FrameError
        entry = SignatureEntry(
            record_id=bytes.fromhex(record_id),
            checked=Checked(checked),
            seen=seen,
            signature=signature.encode("ascii"),
            claim=None if claim is None else parsed_claim(claim),
            limits=parsed_limits(limits),
            approval=None if approval is None else _approval(*approval),
            emergency=parsed_emergency(emergency),
            **dict(zip(_MEMBERS, plain, strict=True)),
        )
        return Posted(entry, float(deadline))
    except (TypeError, ValueError, AttributeError):
        raise FrameError from None


def _posted_token(unverified: Any) -> Posted:
    try:
        return Posted(*parsed_token(unverified))
    except (TypeError, ValueError):
        raise FrameError from None


def _approval(approval_id: object, expires_at: str) -> Approved:
    at = datetime.fromisoformat(expires_at)
    if not isinstance(approval_id, str) or at.tzinfo is None:
        raise FrameError
    return Approved(id=approval_id, expires_at=at)


def _refusal(unverified: Any) -> RefusedCall:
    whole = isinstance(unverified, list) and len(unverified) == len(_REFUSAL)
    if not whole or not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in unverified):
        raise FrameError
    return RefusedCall(**dict(zip(_REFUSAL, unverified, strict=True)))


def _well_formed(record_id: object, plain: list[Any]) -> bool:
    return (
        isinstance(record_id, str)
        and _ID.fullmatch(record_id) is not None
        and tuple(map(type, plain)) == _TYPES
        and all(abs(number) < _BIGINT for number in plain[len(_TEXTS) :])
    )


def _answer(outcome: Sequence[Any]) -> tuple[bytes, Answer]:
    try:
        record_id = bytes.fromhex(outcome[0])
        match outcome[1:]:
            case ["recorded", *said] if tuple(map(type, said)) == _RECORDED:
                signature, index, at, repeated, size = said
                when = datetime.fromisoformat(at)
                return record_id, Recorded(
                    signature=signature.encode(), index=index, at=when, repeated=repeated, size=size
                )
            case ["stale", int(revision)]:
                return record_id, Stale(access_revision=revision)
            case ["refused", Refusal.RATE_LIMITED | Refusal.COUNT_REACHED as reason, *reached]:
                return record_id, Refused(reason=Refusal(reason), reached=parsed_reached(reached))
            case ["refused", Refusal.TOKENS_LIMITED as reason, int() | float() as seconds]:
                return record_id, Refused(reason=Refusal(reason), retry_after=float(seconds))
            case ["refused", str(reason), *unmet]:
                return record_id, Refused(reason=Refusal(reason), unmet=parsed_unmet(unmet))
            case ["failed", str(code), dict(facts)]:
                return record_id, _failure(code, facts)
    except (TypeError, ValueError, LookupError):
        pass
    raise FrameError


def _figures(unverified: dict[str, Any]) -> RecorderFigures:
    if not all(isinstance(value, float | int) and 0 <= value < math.inf for value in unverified.values()):
        raise FrameError
    try:
        return RecorderFigures(**unverified)
    except TypeError:
        raise FrameError from None


def _failure(code: str, facts: dict[str, Any]) -> SignerError:
    kind = _FAILURES.get(code, RecorderUnavailable)
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()})
    except TypeError:
        raise FrameError from None
