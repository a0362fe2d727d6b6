"""What is known of a log beside its database, when an older copy of that may be about to take its place.

1. The checkpoint file of this machine is believed as it is: nothing but the service writes it.
2. Where that is gone, what witnesses signed last and the database that is to be replaced may still know more. They
   count where a key signed them that the copy's own leaves tell, and are no hindrance where not.
3. A file that a person names has to be a checkpoint of this log; else its comparison would prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from signer.config import Settings
from signer.errors import CheckpointFileMissing, SignerError
from signer.log.source import MAX_CHECKPOINT_BYTES
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.copying import database_file
from signer.storage.log_reader import SqlLogReader
from signer.witness.report import WitnessFile
from verifier.errors import LogError
from verifier.log import Checkpoint, SignedNote, VerifierKey, open_checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A checkpoint of the log. ``where`` it was found."""

    where: str
    note: bytes = field(repr=False)
    size: int
    root: bytes


def seen_checkpoints(
    settings: Settings, *, keys: Sequence[VerifierKey], named: Sequence[Path], replaced: Path | None
) -> list[Seen]:
    """All that is known, the surest first.

    Args:
        keys: that the leaves of the copy tell, of each name that the log ever had.
        named: files of checkpoints.
        replaced: the SQLite database in whose place the copy is put.

    Raises ``CheckpointFileDamaged``, and for what is named a ``verifier.LogError`` or ``OSError``.
    """
    own = _own(settings.log.checkpoint_file)
    found = [_seen(str(path), _content(path), keys) for path in named]
    if own is not None:
        return [own, *found]
    for where, note in _others(settings, replaced):
        with suppress(LogError):
            found.append(_seen(where, note, keys))
    return found


def _own(path: Path) -> Seen | None:
    with suppress(CheckpointFileMissing):
        saved = CheckpointFile(path).read()
        return Seen(where=str(path), note=saved.note, size=saved.log.size, root=saved.log.frontier.root)
    return None


def _others(settings: Settings, replaced: Path | None) -> Iterator[tuple[str, bytes]]:
    report = WitnessFile(settings.log.witness_file).read()
    if report is not None and report.note is not None:
        yield str(settings.log.witness_file), report.note
    note = None if replaced is None or not replaced.exists() else _newest_row(replaced, settings)
    if note is not None:
        yield str(replaced), note


def _newest_row(path: Path, settings: Settings) -> bytes | None:
    # It is going to be replaced: that it cannot be read may be why.
    with suppress(SignerError), closing(database_file(path, timeout=settings.database.timeout)) as database:
        return SqlLogReader(database=database).checkpoint()
    return None


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_CHECKPOINT_BYTES + 1)


def _seen(where: str, note: bytes, keys: Sequence[VerifierKey]) -> Seen:
    origin = Checkpoint.parse(SignedNote.parse(note).text).origin
    of_origin = [key for key in keys if key.name == origin]
    checkpoint = open_checkpoint(note, of_origin or keys).checkpoint
    return Seen(where=where, note=note, size=checkpoint.size, root=checkpoint.root)
