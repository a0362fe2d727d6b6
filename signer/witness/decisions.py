"""What a witness signs (C2SP tlog-witness, ``add-checkpoint``). No input or output, no clock.

In this order, each with its own refusal:

1. The request is ``old SIZE``, at most 63 hashes, an empty line, a signed checkpoint; nothing has two spellings.
2. The checkpoint's origin is that of a log which the witness watches.
3. A key of that log signed it, and no line in the name of such a key is wrong.
4. ``old`` is not greater than the checkpoint's size.
5. ``old`` is the size that the witness holds.
6. The proof shows that the checkpoint continues the one that the witness holds; of equal size, it is the same.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from signer.errors import (
    WitnessLogUnknown,
    WitnessProofRefused,
    WitnessRequestMalformed,
    WitnessSignatureRefused,
    WitnessSizeConflict,
)
from verifier.errors import ConsistencyRefused, LogError
from verifier.log import EMPTY_ROOT, Checkpoint, NoteSignature, SignedNote, VerifierKey, verify_consistency
from verifier.log.encoding import canonical_base64, canonical_number
from verifier.log.hashing import HASH_BYTES, MAX_PATH
from verifier.log.notes import MAX_NOTE_BYTES

LogKeys = Mapping[str, tuple[VerifierKey, ...]]
"""The keys of each watched log by its origin."""

_OLD = "old "
_HASH_LINE_BYTES = 45
_CHECKPOINT_LINES = 3
MAX_BODY_BYTES = MAX_NOTE_BYTES + (MAX_PATH + 1) * _HASH_LINE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """A request as it was read: nothing in it is proved.

    Attributes:
        old_size: what the witness is believed to hold.
        path: hashes that shall prove that the checkpoint continues it.
        note: the signed checkpoint; ``checkpoint`` is its text, read.
    """

    old_size: int
    path: tuple[bytes, ...]
    note: SignedNote
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpoint:
        """Read the body of a request; raises ``WitnessRequestMalformed``, for an empty log with a root that it cannot
        have ``WitnessProofRefused``.
        """
        head, blank, raw_note = body.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
            if not blank or not first.startswith(_OLD) or len(lines) > MAX_PATH:
                raise WitnessRequestMalformed(problem=f"it is not old, at most {MAX_PATH} hashes and a checkpoint")
            old_size = canonical_number(first.removeprefix(_OLD))
            path = tuple(canonical_base64(line) for line in lines)
        except UnicodeDecodeError:
            raise WitnessRequestMalformed(problem="its lines before the checkpoint are not ASCII") from None
        except ValueError as error:
            raise WitnessRequestMalformed(problem=str(error)) from None
        if any(len(each) != HASH_BYTES for each in path):
            raise WitnessRequestMalformed(problem="a hash has not 32 bytes")
        try:
            note = SignedNote.parse(raw_note)
            if _nothing_with_a_root(note.text):
                raise WitnessProofRefused(old_size=old_size, size=0)
            return cls(old_size=old_size, path=path, note=note, checkpoint=Checkpoint.parse(note.text))
        except LogError as error:
            raise WitnessRequestMalformed(problem=f"{error.code}, {getattr(error, 'problem', '')}") from None

    def __bytes__(self) -> bytes:
        """The body of the request."""
        lines = [f"{_OLD}{self.old_size}", *(base64.b64encode(each).decode("ascii") for each in self.path)]
        return "".join(f"{line}\n" for line in lines).encode("ascii") + b"\n" + signed_note(self.note.text, self.signed)

    @property
    def signed(self) -> tuple[NoteSignature, ...]:
        """The signature lines of the note."""
        return self.note.unverified_signatures


def judged(
    request: AddCheckpoint, *, log_keys: LogKeys, held: Checkpoint | None
) -> tuple[tuple[VerifierKey, NoteSignature], ...]:
    """The lines of the log's own keys, verified, where the witness shall sign; raises what refuses it.

    ``held``: what the witness signed last for this log; None: nothing.
    """
    checkpoint, keys = request.checkpoint, log_keys.get(request.checkpoint.origin)
    if keys is None:
        raise WitnessLogUnknown(origin=checkpoint.origin)
    try:
        lines = request.note.verified_by(keys)
    except LogError as error:
        raise WitnessSignatureRefused(problem=error.code) from None
    if request.old_size > checkpoint.size:
        raise WitnessRequestMalformed(problem="old is greater than the size of the checkpoint")
    held_size, held_root = (held.size, held.root) if held is not None else (0, EMPTY_ROOT)
    if request.old_size != held_size:
        raise WitnessSizeConflict(size=held_size)
    try:
        verify_consistency(
            old_size=held_size, old_root=held_root, size=checkpoint.size, root=checkpoint.root, path=request.path
        )
    except ConsistencyRefused:
        raise WitnessProofRefused(old_size=held_size, size=checkpoint.size) from None
    return lines


def _nothing_with_a_root(text: str) -> bool:
    """Whether it says that a log without leaves has another root than that: a proof of nothing, and no typing error."""
    lines = text.split("\n", _CHECKPOINT_LINES)
    try:
        return len(lines) > _CHECKPOINT_LINES and lines[1] == "0" and canonical_base64(lines[2]) != EMPTY_ROOT
    except ValueError:
        return False


def signed_note(text: str, lines: Sequence[NoteSignature]) -> bytes:
    """A note with these signature lines, in this order."""
    return (text + "\n" + "".join(f"{line}\n" for line in lines)).encode("utf-8")
