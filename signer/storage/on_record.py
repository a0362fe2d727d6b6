"""Looks up what is on record, for an event loop.

SQLite answers from its pages in less time than a thread takes to be woken, so it is asked on the loop, through one
connection that does nothing else and never waits for a lock. PostgreSQL is asked in a thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from signer.services.ports import SignaturesOnRecord
from signer.storage import record_statements as sql
from signer.storage.database import Database
from signer.storage.driver_errors import translated
from signer.storage.sqlite import SqliteFile

Place = tuple[int, str]
# How long a file that was there is taken to be there. Nothing is released by what is read here alone: the recorder
# looks at the file before and after each of its commits.
FILE_LOOK_SECONDS = 0.25


def signatures_on_record(database: Database) -> SignaturesOnRecord:
    """``services.ports.SignaturesOnRecord`` on this database."""
    return PostgresOnRecord(database) if database.sqlite_file is None else SqliteOnRecord(database.sqlite_file)


class SqliteOnRecord:
    """On an SQLite file, on the loop."""

    def __init__(self, file: SqliteFile, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._monotonic = monotonic
        self._look_at = 0.0
        self._texts = sql.SqliteStatements()
        self._connection: sqlite3.Connection | None = None

    async def find(self, places: Collection[Place]) -> tuple[int, Mapping[Place, bytes]]:
        """The present revision, and the signatures on record."""
        digests = {digest for _, digest in places}
        if len(digests) == 1:
            return _found(self._rows(self._texts.text(sql.FOUND_ONE), {"digest": digests.pop()}))
        return _found(self._rows(self._texts.text(sql.FOUND), {"digests": self._texts.listed(digests)}))

    async def access_revision(self) -> int:
        """The present revision of keys and access."""
        return self._revision()

    def close(self) -> None:
        """Let the file go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _revision(self) -> int:
        return int(self._rows(self._texts.text(sql.REVISION), {})[0][0])

    def _rows(self, statement: str, values: Mapping[str, Any]) -> list[Sequence[Any]]:
        with translated():
            now = self._monotonic()
            if now >= self._look_at:
                self._file.check()
                self._look_at = now + FILE_LOOK_SECONDS
            if self._connection is None:
                self._connection = self._file.connect(0)
            rows: list[Sequence[Any]] = self._connection.execute(statement, values).fetchall()
        return rows


class PostgresOnRecord:
    """On PostgreSQL, in a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = sql.PostgresStatements(locking=False)

    async def find(self, places: Collection[Place]) -> tuple[int, Mapping[Place, bytes]]:
        """The present revision, and the signatures on record."""
        return await asyncio.to_thread(self._find, {digest for _, digest in places})

    async def access_revision(self) -> int:
        """The present revision of keys and access."""
        revision, _ = await asyncio.to_thread(self._find, set())
        return revision

    def close(self) -> None:
        """The connections are the database's."""

    def _find(self, digests: Collection[str]) -> tuple[int, Mapping[Place, bytes]]:
        with self._database.reading() as connection:
            return _found(self._sql.rows(connection, sql.FOUND, {"digests": self._sql.listed(digests)}))


def _found(rows: Sequence[Sequence[Any]]) -> tuple[int, dict[Place, bytes]]:
    found = {(version_id, digest): bytes(signature) for _, version_id, digest, signature in rows if digest is not None}
    return int(rows[0][0]), found
