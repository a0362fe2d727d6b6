"""Checkpoints (C2SP tlog-checkpoint): the signed head of a log."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from verifier.errors import CheckpointMalformed, OriginMismatch, WitnessesMissing
from verifier.log.encoding import canonical_base64, canonical_number
from verifier.log.hashing import EMPTY_ROOT, HASH_BYTES
from verifier.log.notes import KeyType, SignedNote, VerifierKey

_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The head of a log: so many leaves, under this root. ``extensions``: further lines, which mean nothing here."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a note; raises ``CheckpointMalformed``."""
        lines = text.split("\n")
        if lines.pop() or len(lines) < _LINES:
            raise CheckpointMalformed(problem="it has fewer than three lines")
        origin, size, root, *extensions = lines
        try:
            leaves, decoded = canonical_number(size), canonical_base64(root)
        except ValueError as error:
            raise CheckpointMalformed(problem=str(error)) from None
        if not origin or len(decoded) != HASH_BYTES or not all(extensions):
            raise CheckpointMalformed(problem="origin, root or an extension line is not what it should be")
        if leaves == 0 and decoded != EMPTY_ROOT:
            raise CheckpointMalformed(problem="it is of size 0 and has the root of something")
        return cls(origin=origin, size=leaves, root=decoded, extensions=tuple(extensions))

    def __str__(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode("ascii")
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedCheckpoint:
    """A checkpoint that its log's key signed. ``witnesses``: names of the demanded witnesses that signed too."""

    checkpoint: Checkpoint
    witnesses: tuple[str, ...]


def open_checkpoint(
    raw: bytes, log_keys: Sequence[VerifierKey], *, witnesses: Sequence[VerifierKey] = (), demanded: int = 0
) -> VerifiedCheckpoint:
    """Verify a signed checkpoint of a log known by ``log_keys``, all under one name, its origin.

    ``demanded``: how many of ``witnesses`` have to have signed, each counted once whatever keys it has. Raises a
    ``LogError``.
    """
    note = SignedNote.parse(raw)
    note.verified_by(log_keys)
    checkpoint = Checkpoint.parse(note.text)
    names = {key.name for key in log_keys}
    if checkpoint.origin not in names:
        raise OriginMismatch(expected=", ".join(sorted(names)), actual=checkpoint.origin)
    signed = _witnessed(note, witnesses) if witnesses else ()
    if len(signed) < demanded:
        raise WitnessesMissing(demanded=demanded, found=signed)
    return VerifiedCheckpoint(checkpoint=checkpoint, witnesses=signed)


def _witnessed(note: SignedNote, witnesses: Sequence[VerifierKey]) -> tuple[str, ...]:
    from verifier.errors import NoteUnsigned

    cosigners = [key for key in witnesses if key.type is KeyType.COSIGNATURE]
    try:
        return tuple(sorted({key.name for key, _ in note.verified_by(cosigners)}))
    except NoteUnsigned:
        return ()
