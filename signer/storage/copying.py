"""All rows of a database in another one: in an SQLite file of their own, and from there into either kind.

A copy is SQLite whatever it is of. So there is one form of backup, which needs no program of a server's release, is
verified like any database of ours, and is put back into SQLite or PostgreSQL. Rows go through the types of the tables,
and are all read of one moment. What workers say of themselves is of the moment only, and stays behind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, inspect, select, text

from signer.config import DatabaseSettings
from signer.storage.access_tables import policy_revisions
from signer.storage.ci_tables import ci_sessions  # noqa: F401  (its tables are copied with the others)
from signer.storage.database import Database
from signer.storage.schema import metadata
from signer.storage.tables import access_state, log_head, workers
from signer.storage.token_tables import device_state

COPIED: tuple[Table, ...] = tuple(table for table in metadata.sorted_tables if table is not workers)
# Made with their one row, which is the copied one's to be.
SINGLE = (log_head, access_state, device_state)
_AT_ONCE = 1000


def database_settings(path: Path, *, timeout: float) -> DatabaseSettings:
    """The settings of an SQLite database at ``path``."""
    return DatabaseSettings(url=f"sqlite:///{path}", password_file=None, timeout=timeout)


def database_file(path: Path, *, timeout: float) -> Database:
    """An SQLite database at ``path``, opened lazily."""
    return Database(database_settings(path, timeout=timeout))


def write_copy(source: Database, path: Path, *, timeout: float) -> None:
    """Copy a database, at the revision of this release, into a new SQLite file; raises what databases raise."""
    target = database_file(path, timeout=timeout)
    try:
        target.upgrade()
        with source.snapshot() as rows, target.writing() as connection:
            copy_rows(rows, connection)
        settle(target)
    finally:
        target.close()


def settle(database: Database) -> None:
    """Let an SQLite database be one file, without a log beside it, for who copies or renames it."""
    with database.reading() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


def copy_rows(source: Connection, target: Connection) -> None:
    """Copy all rows into tables that are as a migration leaves them."""
    for table in SINGLE:
        target.execute(delete(table))
    for table in COPIED:
        wanted = select(table).order_by(*table.primary_key).execution_options(yield_per=_AT_ONCE)
        for rows in source.execute(wanted).mappings().partitions(_AT_ONCE):
            target.execute(insert(table), [_plain(row) for row in rows])
        if target.dialect.name == "postgresql":
            _follow(target, table)


def is_in_use(database: Database) -> bool:
    """Whether the database holds anything that a copy would meet."""
    with database.reading() as connection:
        there = set(inspect(connection).get_table_names())
        counted = [table for table in COPIED if table not in (*SINGLE, policy_revisions) and table.name in there]
        applied = select(policy_revisions.c.revision).where(policy_revisions.c.revision > 1)
        # The first one comes with the schema.
        return any(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in counted) or (
            policy_revisions.name in there and connection.execute(applied).first() is not None
        )


def _plain(row: Any) -> dict[str, Any]:
    return {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()}


def _follow(connection: Connection, table: Table) -> None:
    """Numbers that PostgreSQL gives go on after those that were copied."""
    for column in table.primary_key:
        sequence = connection.execute(
            text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
        ).scalar()
        if sequence is None:
            # Nor has a key of bytes, for one, anything that is the greatest.
            continue
        newest = connection.execute(select(func.max(column))).scalar()
        if newest is not None:
            connection.execute(text("SELECT setval(:sequence, :newest)"), {"sequence": sequence, "newest": newest})
