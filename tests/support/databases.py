"""Migrated databases for tests: copied from one that was migrated once, closed at the end of the test."""

from __future__ import annotations

from signer.config import DatabaseSettings
from signer.storage.database import Database

# Enough for a busy test machine; tests of deadlines give their own.
TIMEOUT = 20.0


def settings(url: str, *, timeout: float = TIMEOUT) -> DatabaseSettings:
    """The settings of a database."""
    return DatabaseSettings(url=url, password_file=None, timeout=timeout)


def migrate(url: str) -> None:
    """Bring a database to the newest revision."""
    database = Database(settings(url))
    try:
        database.upgrade()
    finally:
        database.close()


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
