"""Where a process that signs no checkpoints reads the newest one."""

from __future__ import annotations

from signer.errors import CheckpointFileMissing, LogMissing
from signer.services.ports import LogReader
from signer.storage.checkpoint_file import CheckpointFile


class NewestNote:
    """``services.log_checkpoints.CheckpointSource``: the file of this machine, or the database's newest row.

    The file is what was certified here last, and never older than what was given out; a machine without one of its
    own reads what others left in the database.
    """

    def __init__(self, *, file: CheckpointFile, reader: LogReader) -> None:
        self._file = file
        self._reader = reader

    def latest(self) -> bytes:
        """The newest signed note; raises ``LogMissing``, ``CheckpointFileDamaged`` or what the database raises."""
        try:
            return self._file.note()
        except CheckpointFileMissing:
            note = self._reader.checkpoint()
        if note is None:
            raise LogMissing
        return note

    def cosigned(self) -> bytes | None:
        """Nothing: no witness is asked here."""
        return None
