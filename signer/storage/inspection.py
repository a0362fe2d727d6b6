"""Looks at a database without changing what is in it: its revision, and what SQLite says of its own file."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from signer.errors import DatabaseDamaged
from signer.storage import server_clock
from signer.storage.database import Database

MAX_DAMAGES = 10
SOUND = "ok"
WRITE_AHEAD = "wal"
SAFE_VERSION = (3, 51, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCondition:
    """What a database is like.

    Attributes:
        found: revision of its schema; None where it has none.
        expected: the revision that this release works with.
        write_ahead: SQLite writes ahead (WAL), as it was told to; True for other databases.
    """

    found: str | None
    expected: str
    write_ahead: bool


def inspect(database: Database) -> DatabaseCondition:
    """Reads the whole file of an SQLite database. Raises ``DatabaseUnavailable`` or ``DatabaseDamaged``."""
    write_ahead = _sqlite(database) if database.dialect == "sqlite" else True
    found, expected = database.revisions()
    return DatabaseCondition(found=found, expected=expected, write_ahead=write_ahead)


def _sqlite(database: Database) -> bool:
    with database.reading() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        lines = connection.exec_driver_sql(f"PRAGMA quick_check({MAX_DAMAGES})").scalars().all()
    damage = tuple(str(line) for line in lines if line != SOUND)
    if damage:
        raise DatabaseDamaged(damage=damage)
    return bool(mode == WRITE_AHEAD)


def sqlite_resets_its_log_safely() -> tuple[str, bool]:
    """The version of SQLite, and whether it is free of the fault that 3.51.3 mends (sqlite.org/wal.html)."""
    return sqlite3.sqlite_version, sqlite3.sqlite_version_info >= SAFE_VERSION


def server_time(database: Database) -> datetime | None:
    """The clock of the database's server, aware UTC; None where the database is a file of this machine."""
    if database.dialect != "postgresql":
        return None
    with database.reading() as connection:
        return server_clock.server_time(connection)
