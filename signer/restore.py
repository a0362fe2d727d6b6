"""``artifact-signer restore``: a backup in the place of the database, while no service runs.

1. The backup is copied beside the database and verified there, all of it, before anything is put in its place.
2. The checkpoint file of this machine says what it has seen of the log; where it is gone, what else is known of it
   does (``seen_checkpoints``). A backup that does not begin with that is refused: signatures that were given out would
   be gone from the record, and be counted anew. A person who knows that may let the log go on under another name.
3. A log that goes on under another name does so in the copy, before that is put in place. The checkpoint file is
   exchanged last. So where this breaks off, the database is the one of before, or one that this machine refuses; the
   same command begins again in the one case, and finishes in the other.
4. What was there is not removed. An SQLite database is put aside under another name; PostgreSQL has to be empty.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from signer.backup import Backup, read_backup, stopped
from signer.config import Settings
from signer.errors import DatabaseTaken, RestoreRollsBack, SignerError
from signer.log.database_source import DatabaseSource
from signer.log.faults import FaultKind
from signer.log.known_keys import told_keys
from signer.log.milestones import Milestone, begins_with
from signer.log.source import PartUnusable
from signer.log_continuation import ContinuedLog, certify_continued, continue_log, goes_on, require_tokens
from signer.seen_checkpoints import Seen, seen_checkpoints
from signer.storage.copying import copy_rows, database_file, database_settings, is_in_use, settle
from signer.storage.database import Database
from signer.storage.first_policy import forget_first_policy
from signer.storage.log_audit import SqlLogAudit
from signer.storage.log_reader import SqlLogReader
from verifier.log import VerifierKey

_BESIDE = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put in the place of the database.

    Attributes:
        aside: where the SQLite database is that was there before; None where there was none.
        compared: where checkpoints were found that the backup begins with, or did not.
        has_file: whether this machine had its checkpoint file.
        continued: the log under its new name, where leaves were lost.
    """

    backup: Backup
    aside: Path | None
    compared: tuple[str, ...]
    has_file: bool
    continued: ContinuedLog | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """A person knows that leaves are lost, and says why. ``directory``: where ``log.vkey`` is."""

    directory: Path
    reason: str


def restore(
    settings: Settings, folder: Path, *, rollback: Rollback | None = None, checkpoints: Sequence[Path] = ()
) -> Restored:
    """Put a backup back; raises ``InstallationInUse``, ``BackupUnusable``, ``RestoreRollsBack``, ``DatabaseTaken``,
    ``CheckpointFileDamaged``, ``OSError``, and what databases and tokens raise.

    Args:
        rollback: let the log go on under another name, where more of it was seen, or another.
        checkpoints: files of what was seen of the log elsewhere; a ``verifier.LogError`` for what is none of it.
    """
    with stopped(settings), _staged(settings, folder) as (stage, backup):
        has_file = settings.log.checkpoint_file.exists()
        keys = _told_keys(stage, settings)
        seen = seen_checkpoints(settings, keys=keys, named=checkpoints, replaced=sqlite_path(settings))
        lost = next((each for each in seen if not _continues(stage, each, settings)), None)
        if lost is None:
            aside, continued = put(settings, stage), None
        elif rollback is None:
            raise RestoreRollsBack(path=lost.where, known=lost.size, restored=backup.size)
        else:
            aside, continued = _roll_back(settings, stage, lost, rollback)
    compared = tuple(each.where for each in seen)
    return Restored(backup=backup, aside=aside, compared=compared, has_file=has_file, continued=continued)


def _told_keys(stage: Path, settings: Settings) -> list[VerifierKey]:
    """Every key that the copy's leaves tell of the log."""
    with closing(database_file(stage, timeout=settings.database.timeout)) as database:
        return [key for told in told_keys(SqlLogReader(database=database)) for key in told]


def _roll_back(settings: Settings, stage: Path, known: Seen, rollback: Rollback) -> tuple[Path | None, ContinuedLog]:
    """The log goes on while it is a copy yet; then it is put in place, and then this machine believes it."""
    require_tokens(settings)
    aside = None
    if not _is_put(settings, stage, known):
        copy = settings.model_copy(update={"database": database_settings(stage, timeout=settings.database.timeout)})
        continue_log(copy, old_note=known.note, reason=rollback.reason)
        with closing(Database(copy.database)) as database:
            settle(database)
        aside = put(settings, stage)
    return aside, certify_continued(settings, rollback.directory)


def _is_put(settings: Settings, stage: Path, known: Seen) -> bool:
    """Whether this backup was put in place before, with the log going on from it, and only the end is missing."""
    target = sqlite_path(settings)
    if target is not None and not target.exists():
        return False
    with closing(database_file(stage, timeout=settings.database.timeout)) as copy:
        backup = SqlLogReader(database=copy).head()
    try:
        with closing(Database(settings.database)) as database:
            database.check_revision()
            return goes_on(SqlLogReader(database=database), old_note=known.note, size=backup.size) and _begins_with(
                database, backup.size, backup.root
            )
    except SignerError:
        # It is lost, or damaged, or another one: in no case what was put there.
        return False


def put(settings: Settings, stage: Path) -> Path | None:
    """The verified copy becomes the database; gives where the one before it went."""
    target = sqlite_path(settings)
    if target is None:
        _fill(settings, stage)
        return None
    _sync(stage)
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
    # Of one that broke off: its log beside another file would be taken for that file's.
    _remove(stage)
    try:
        backup = read_backup(folder, stage, settings)
        with closing(database_file(stage, timeout=settings.database.timeout)) as database:
            settle(database)
        yield stage, backup
    finally:
        _remove(stage)


def _remove(stage: Path) -> None:
    for end in _BESIDE:
        stage.with_name(f"{stage.name}{end}").unlink(missing_ok=True)


def _continues(stage: Path, known: Seen, settings: Settings) -> bool:
    """Whether the copy's log begins with what was seen of it."""
    with closing(database_file(stage, timeout=settings.database.timeout)) as database:
        return _begins_with(database, known.size, known.root)


def _begins_with(database: Database, size: int, root: bytes) -> bool:
    source = DatabaseSource(SqlLogAudit(database=database), None)
    seen = Milestone(size, root, FaultKind.SINCE_OTHER)
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


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
