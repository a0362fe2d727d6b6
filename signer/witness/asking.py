"""What is asked of a witness, and what its answers mean (C2SP tlog-witness). No input or output.

1. A signature counts only where the configured key of the witness verifies it over the text that was sent.
2. Of a witness that holds another checkpoint, only what the log's own key signed is believed.
3. Everything else that comes is a refusal of its own kind, and never more than that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from signer.errors import WitnessAnswerInvalid, WitnessRefused
from signer.http_exchange import Answered
from signer.witness.decisions import AddCheckpoint, signed_note
from verifier.errors import LogError, NoteUnsigned
from verifier.log import Checkpoint, NoteSignature, SignedNote, VerifierKey, open_checkpoint
from verifier.log.encoding import canonical_number

ADD_CHECKPOINT = "/add-checkpoint"
SIZE_MEDIA_TYPE = "text/x.tlog.size"
MAX_LINES_BYTES = 64 * 1024
SIGNED, CONFLICT = 200, 409


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """The witness signed: its verified line."""

    line: NoteSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldsAnother:
    """The witness holds a checkpoint of this size, as it says."""

    size: int


def request_body(checkpoint: bytes, *, old_size: int, path: Sequence[bytes]) -> bytes:
    """The body of a request; ``checkpoint``: signed by the log."""
    note = SignedNote.parse(checkpoint)
    asked = AddCheckpoint(old_size=old_size, path=tuple(path), note=note, checkpoint=Checkpoint.parse(note.text))
    return bytes(asked)


def meaning_of(answer: Answered, *, text: str, witness: str, key: VerifierKey) -> Cosigned | HoldsAnother:
    """What the answer to a checkpoint with this ``text`` means; raises ``WitnessRefused``, ``WitnessAnswerInvalid``."""
    if answer.status == SIGNED:
        return Cosigned(line=_line(answer.body, text, witness, key))
    if answer.status == CONFLICT and answer.media_type == SIZE_MEDIA_TYPE:
        size, end, rest = answer.body.partition(b"\n")
        try:
            return HoldsAnother(size=canonical_number(size.decode("ascii") if end and not rest else ""))
        except ValueError:
            raise WitnessAnswerInvalid(witness=witness, problem="the size that it holds is no number") from None
    raise WitnessRefused(witness=witness, status=answer.status)


def held_checkpoint(answer: Answered, *, witness: str, log_keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint that a witness holds, signed by the log; raises ``WitnessRefused``, ``WitnessAnswerInvalid``."""
    if answer.status != SIGNED:
        raise WitnessRefused(witness=witness, status=answer.status)
    try:
        return open_checkpoint(answer.body, log_keys).checkpoint
    except LogError as error:
        problem = f"the checkpoint that it holds is not the log's: {error.code}"
        raise WitnessAnswerInvalid(witness=witness, problem=problem) from None


def monitoring_path(origin: str) -> str:
    """Where a witness shows the newest checkpoint of a log."""
    return f"/{hashlib.sha256(origin.encode('utf-8')).hexdigest()}/checkpoint"


def cosigned_note(checkpoint: bytes, lines: Sequence[NoteSignature]) -> bytes:
    """The checkpoint with further signature lines behind its own."""
    note = SignedNote.parse(checkpoint)
    return signed_note(note.text, [*note.unverified_signatures, *lines])


def _line(body: bytes, text: str, witness: str, key: VerifierKey) -> NoteSignature:
    if len(body) > MAX_LINES_BYTES:
        raise WitnessAnswerInvalid(witness=witness, problem="it sent too many lines")
    try:
        note = SignedNote.parse(f"{text}\n".encode() + body)
        if note.text != text:
            raise WitnessAnswerInvalid(witness=witness, problem="it sent more than signature lines")
        ((_, line),) = note.verified_by([key])
    except NoteUnsigned:
        raise WitnessAnswerInvalid(witness=witness, problem="no line is by its configured key") from None
    except LogError as error:
        raise WitnessAnswerInvalid(witness=witness, problem=f"its signature is none: {error.code}") from None
    return line
