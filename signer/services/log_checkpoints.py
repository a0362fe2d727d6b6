"""The newest checkpoint: what all that is told of the log is measured by."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol

from signer.errors import LogDamaged
from verifier import VerificationError
from verifier.log import Checkpoint, SignedNote


class CheckpointSource(Protocol):
    """Where the newest signed checkpoint is."""

    def latest(self) -> bytes:
        """The newest signed note; raises ``LogMissing`` where there is none yet."""

    def cosigned(self) -> bytes | None:
        """The newest note that witnesses signed too, unverified; None where none is known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCheckpoint:
    """A checkpoint as it was signed. ``note``: all of it, byte for byte."""

    note: bytes = field(repr=False)
    checkpoint: Checkpoint

    @property
    def size(self) -> int:
        """How many leaves it covers."""
        return self.checkpoint.size


class NewestCheckpoint:
    """The newest checkpoint, read out of its note once. Safe for threads."""

    def __init__(self, source: CheckpointSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._known: PublishedCheckpoint | None = None

    def __call__(self) -> PublishedCheckpoint:
        """The newest one; raises ``LogMissing``, or ``LogDamaged`` where what was signed is no checkpoint."""
        note = self._source.latest()
        with self._lock:
            if self._known is None or self._known.note != note:
                self._known = _published(note)
            return self._known

    def cosigned(self) -> PublishedCheckpoint | None:
        """The newest one that witnesses signed too, as it is told: of this log, or not."""
        note = self._source.cosigned()
        try:
            return None if note is None else _published(note)
        except LogDamaged:
            return None


def _published(note: bytes) -> PublishedCheckpoint:
    try:
        return PublishedCheckpoint(note=note, checkpoint=Checkpoint.parse(SignedNote.parse(note).text))
    except VerificationError as error:
        raise LogDamaged(index=0, problem="its newest checkpoint is none") from error
