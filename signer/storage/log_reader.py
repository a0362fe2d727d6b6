"""Reads the log in SQL. What stands beside a leaf is compared with its bytes before it is believed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, select

from signer.domain.leaves import SEARCHED, difference
from signer.errors import LogDamaged
from signer.services.ports import LeafQuery, LogEntry, LogHead
from signer.storage import record_statements as sql
from signer.storage.database import Database
from signer.storage.log_append import HASH_BYTES, TILE_WIDTH, read_head
from signer.storage.tables import log_checkpoints, log_leaves

_NEWEST_CHECKPOINT = select(log_checkpoints.c.note).order_by(log_checkpoints.c.size.desc()).limit(1)


class SqlLogReader:
    """``services.ports.LogReader`` on a database. Safe for threads."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._sql = (
            sql.statements(database.dialect) if database.dialect == "sqlite" else sql.PostgresStatements(locking=False)
        )

    def head(self) -> LogHead:
        """The present head, not locked."""
        with self._database.reading() as connection:
            return read_head(self._sql, self._sql.rows(connection, sql.HEAD, {})[0])

    def leaves(self, first: int, end: int) -> list[bytes]:
        """The leaves ``[first, end)``; raises ``LogDamaged`` where one is missing."""
        with self._database.reading() as connection:
            return read_leaves(self._sql, connection, first, end)

    def stored_hashes(self, level: int, first: int, end: int) -> list[bytes]:
        """Hashes ``[first, end)`` of a level of tiles; raises ``LogDamaged`` where one is missing."""
        if first >= end:
            return []
        with self._database.reading() as connection:
            full = self._of_tiles(connection, level, first, end)
            rest = first + len(full)
            if level == 0:
                rows = self._sql.rows(connection, sql.LEAF_HASHES, {"first": rest, "end": end})
            else:
                rows = self._sql.rows(connection, sql.TILE_ROOTS, {"level": level - 1, "first": rest, "end": end})
        hashes = full + [bytes(each) for (each,) in rows]
        if len(hashes) != end - first:
            index = (first + len(hashes)) * TILE_WIDTH**level
            raise LogDamaged(index=index, problem=f"a hash of level {level} is not on record")
        return hashes

    def find(self, query: LeafQuery) -> list[LogEntry]:
        """The leaves that are wanted, in order, at most as many as the query says."""
        with self._database.reading() as connection:
            rows = connection.execute(_wanted(query)).all()
        return [LogEntry(index=row.id, leaf=_compared(row)) for row in rows]

    def checkpoint(self) -> bytes | None:
        """The newest checkpoint that was written into the database."""
        with self._database.reading() as connection:
            note = connection.execute(_NEWEST_CHECKPOINT).scalar()
        return None if note is None else bytes(note)

    def _of_tiles(self, connection: Connection, level: int, first: int, end: int) -> list[bytes]:
        """Those hashes that are in full tiles: of the beginning, the others are not in any yet."""
        values = {"level": level, "first": first // TILE_WIDTH, "end": -(-end // TILE_WIDTH)}
        tiles = b"".join(bytes(each) for (each,) in self._sql.rows(connection, sql.TILES, values))
        skipped = first % TILE_WIDTH * HASH_BYTES
        tiles = tiles[skipped : skipped + (end - first) * HASH_BYTES]
        return [tiles[start : start + HASH_BYTES] for start in range(0, len(tiles), HASH_BYTES)]


def read_leaves(statements: sql.Statements, connection: Connection, first: int, end: int) -> list[bytes]:
    """The leaves ``[first, end)``, in the caller's transaction; raises ``LogDamaged`` where one is missing."""
    rows = statements.rows(connection, sql.LEAVES, {"first": first, "end": end})
    for expected, (index, _) in enumerate(rows, first):
        if index != expected:
            raise LogDamaged(index=expected, problem="the leaf is not on record")
    if len(rows) != end - first:
        raise LogDamaged(index=first + len(rows), problem="the leaf is not on record")
    return [_leaf_bytes(index, leaf) for index, leaf in rows]


def _leaf_bytes(index: int, stored: object) -> bytes:
    # SQLite keeps whatever it is given, of whatever type.
    if not isinstance(stored, bytes | memoryview):
        raise LogDamaged(index=index, problem="what is stored is not bytes")
    return bytes(stored)


def _wanted(query: LeafQuery) -> Select[Any]:
    beside = log_leaves.c
    wanted = select(log_leaves).where(beside.id >= query.first)
    if query.types:
        wanted = wanted.where(beside.type.in_(query.types))
    for column, value in (
        (beside.key, query.key),
        (beside.artifact, query.artifact),
        (beside.actor, query.actor),
        (beside.manifest_sha256, query.manifest_sha256),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    if query.since is not None:
        wanted = wanted.where(beside.at >= query.since)
    if query.until is not None:
        wanted = wanted.where(beside.at < query.until)
    return wanted.order_by(beside.id).limit(query.limit)


def _compared(row: Any) -> bytes:
    """The leaf of a row; raises ``LogDamaged`` where its columns say something else than its bytes."""
    leaf = bytes(row.leaf)
    problem = difference(leaf, {name: getattr(row, name) for name in SEARCHED})
    if problem is not None:
        raise LogDamaged(index=row.id, problem=problem)
    return leaf
