"""Migrated databases for tests: copied from one that was migrated once, closed at the end of the test."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from signer.config import DatabaseSettings
from signer.domain.leaves import AccessChange, LeafDraft, LogEvent
from signer.storage.access import access_digest, access_revision
from signer.storage.database import Database
from signer.storage.first_policy import first_policy
from signer.storage.log_append import append, lock_head
from signer.storage.log_start import start_log

# Enough for a busy test machine; tests of deadlines give their own.
TIMEOUT = 20.0
LOG_BEGAN = datetime(2001, 1, 1, tzinfo=UTC)


def settings(url: str, *, timeout: float = TIMEOUT) -> DatabaseSettings:
    """The settings of a database."""
    return DatabaseSettings(url=url, password_file=None, timeout=timeout)


def migrate(url: str, *, log: bool = True) -> None:
    """Bring a database to the newest revision, and begin a log whose key nobody has."""
    database = Database(settings(url))
    try:
        database.upgrade(then=first_policy(lambda: LOG_BEGAN))
        if log:
            begin_log(database)
    finally:
        database.close()


def place_empty(path: Path) -> None:
    """A database of this release that holds nothing, where there is none: migrating takes longer than most tests."""
    if not path.exists():
        path.write_bytes(_empty_sqlite())


@cache
def _empty_sqlite() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.sqlite"
        with closing(Database(settings(f"sqlite:///{path}"))) as database:
            database.upgrade()
        return path.read_bytes()


def begin_log(database: Database, *, at: datetime = LOG_BEGAN) -> None:
    """Begin a log at a time before that of every test."""
    start_log(database, clock=lambda: at, actor="tests", members={"origin": "log.example"})


def certify(database: Database) -> None:
    """Let the log say that the rows that give power are as they are: what a test changed in them counts as honest."""
    with database.writing() as connection:
        head = lock_head(connection)
        after = access_digest(connection)
        if head.size and after != head.access_sha256:
            access = AccessChange(revision=access_revision(connection), before=head.access_sha256, after=after)
            draft = LeafDraft(type=LogEvent.ACCESS_CHANGED, actor="tests", members={}, access=access)
            append(connection, head, [draft.leaf(at=head.newest or LOG_BEGAN)], access_sha256=after)


class Opener:
    """Opens databases by URL and closes them all at the end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._opened: list[Database] = []

    def __call__(self, *, timeout: float = TIMEOUT) -> Database:
        """Another connection pool on the same database, as another worker has it."""
        database = Database(settings(self.url, timeout=timeout))
        self._opened.append(database)
        return database

    def close(self) -> None:
        """Close what was opened."""
        for database in self._opened:
            database.close()
