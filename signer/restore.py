"""``artifact-signer restore``: a backup in the place of the database, while no service runs.

1. The backup is copied beside the database and verified there, all of it, before anything is put in its place.
2. The checkpoint file of this machine says what it has seen of the log. A backup that does not begin with that is
   refused: signatures that were given out would be gone from the record, and be counted anew. A person who knows that
   may let the log go on under another name.
3. What was there is not removed. An SQLite database is put aside under another name; PostgreSQL has to be empty.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from signer.backup import Backup, read_backup, stopped
from signer.config import Settings
from signer.errors import CheckpointFileMissing, DatabaseTaken, RestoreRollsBack
from signer.log.database_source import DatabaseSource
from signer.log.faults import FaultKind
from signer.log.milestones import Milestone, begins_with
from signer.log.source import PartUnusable
from signer.log_continuation import ContinuedLog, continue_log, require_tokens
from signer.storage.checkpoint_file import CheckpointFile, SavedCheckpoint
from signer.storage.copying import copy_rows, database_file, is_in_use, settle
from signer.storage.database import Database
from signer.storage.first_policy import forget_first_policy
from signer.storage.log_audit import SqlLogAudit

_BESIDE = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put in the place of the database.

    Attributes:
        aside: where the SQLite database is that was there before; None where there was none.
        known: leaves that the checkpoint file of this machine covers; None where there is no such file.
        continued: the log under its new name, where leaves were lost.
    """

    backup: Backup
    aside: Path | None
    known: int | None
    continued: ContinuedLog | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """A person knows that leaves are lost, and says why. ``directory``: where ``log.vkey`` is."""

    directory: Path
    reason: str


def restore(settings: Settings, folder: Path, *, rollback: Rollback | None = None) -> Restored:
    """Put a backup back; raises ``InstallationInUse``, ``BackupUnusable``, ``RestoreRollsBack``, ``DatabaseTaken``,
    ``CheckpointFileDamaged``, ``OSError``, and what databases and tokens raise.

    ``rollback``: let the log go on under another name, where this machine has seen more of it, or another.
    """
    with stopped(settings), _staged(settings, folder) as (stage, backup):
        known = seen_here(settings)
        lost = known if known is not None and not _continues(stage, known, settings) else None
        if lost is not None:
            if rollback is None:
                path = str(settings.log.checkpoint_file)
                raise RestoreRollsBack(path=path, known=lost.log.size, restored=backup.size)
            require_tokens(settings)
        aside = put(settings, stage)
        continued = None
        if lost is not None and rollback is not None:
            continued = continue_log(settings, rollback.directory, old_note=lost.note, reason=rollback.reason)
    return Restored(backup=backup, aside=aside, known=None if known is None else known.log.size, continued=continued)


def seen_here(settings: Settings) -> SavedCheckpoint | None:
    """What this machine has seen of the log; None where it has no file that says so."""
    with suppress(CheckpointFileMissing):
        return CheckpointFile(settings.log.checkpoint_file).read()
    return None


def put(settings: Settings, stage: Path) -> Path | None:
    """The verified copy becomes the database; gives where the one before it went."""
    target = sqlite_path(settings)
    if target is None:
        _fill(settings, stage)
        return None
    aside = _put_aside(target)
    stage.rename(target)
    _sync(target.parent)
    return aside


def sqlite_path(settings: Settings) -> Path | None:
    """The file of an SQLite database; None for PostgreSQL."""
    prefix = "sqlite:///"
    url = settings.database.url
    return Path(url.removeprefix(prefix)) if url.startswith(prefix) else None


@contextmanager
def _staged(settings: Settings, folder: Path) -> Iterator[tuple[Path, Backup]]:
    """A verified copy on the file system on which it can become the database."""
    target = sqlite_path(settings)
    parent = settings.spool.directory if target is None else target.parent
    stage = parent / f".{'database' if target is None else target.name}.restore"
    try:
        backup = read_backup(folder, stage, settings)
        with closing(database_file(stage, timeout=settings.database.timeout)) as database:
            settle(database)
        yield stage, backup
    finally:
        for end in _BESIDE:
            stage.with_name(f"{stage.name}{end}").unlink(missing_ok=True)


def _continues(stage: Path, known: SavedCheckpoint, settings: Settings) -> bool:
    """Whether the copy's log begins with what this machine has seen."""
    with closing(database_file(stage, timeout=settings.database.timeout)) as database:
        source = DatabaseSource(SqlLogAudit(database=database), None)
        seen = Milestone(known.log.size, known.log.frontier.root, FaultKind.SINCE_OTHER)
        try:
            return seen.size <= source.facts.size and begins_with(seen, source.extent(), source.hashes) is None
        except PartUnusable:
            return False


def _fill(settings: Settings, stage: Path) -> None:
    """PostgreSQL: all rows in one transaction, into tables that hold nothing."""
    with (
        closing(Database(settings.database)) as target,
        closing(database_file(stage, timeout=settings.database.timeout)) as source,
    ):
        target.upgrade()
        if is_in_use(target):
            raise DatabaseTaken
        with source.snapshot() as rows, target.writing() as connection:
            forget_first_policy(connection)
            copy_rows(rows, connection)


def _put_aside(target: Path) -> Path | None:
    if not target.exists():
        return None
    number = 1
    while (aside := target.with_name(f"{target.name}.before-restore-{number}")).exists():
        number += 1
    # The log beside it first: without it the file alone is another database.
    for end in reversed(_BESIDE):
        with suppress(FileNotFoundError):
            target.with_name(f"{target.name}{end}").rename(aside.with_name(f"{aside.name}{end}"))
    return aside


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
