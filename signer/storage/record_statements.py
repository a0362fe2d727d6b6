"""What is said to each kind of database to append to the log, as text: built once, prepared once by the driver.

The layer that builds statements costs more per statement than SQLite takes to answer it, and this is the one place
in which that counts: one transaction per batch of signatures. Rows come back as plain values of Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, Protocol

from sqlalchemy import Connection

_NAMED = re.compile(r":(\w+)")
_SQLITE_TIME = "%Y-%m-%d %H:%M:%S.%f"
# Whose texts are kept: a batch has one time, which each of its rows holds.
TIMES = 16

VERSIONS = """
    SELECT id, state, not_before, not_after, signature_limit, signature_count, last_signed_at
    FROM key_versions WHERE id IN {ids} ORDER BY id{for_update}"""
HEAD = "SELECT size, root, frontier, at, access_sha256 FROM log_head WHERE id = 1{for_update}"
UNLOCKED_HEAD = "SELECT size, root, frontier, at, access_sha256 FROM log_head WHERE id = 1"
REVISION = "SELECT revision FROM access_state WHERE id = 1{for_share}"
ON_RECORD = """
    SELECT id, version_id, manifest_sha256, signature FROM signatures WHERE manifest_sha256 IN {digests}"""
# One half for each of the two partial indexes.
RECORDS = """
    SELECT signature_id, id, leaf_id, type, checked, actor, at, emergency FROM log_leaves
    WHERE signature_id IN {ids} AND type = 'signature'
    UNION ALL
    SELECT signature_id, id, leaf_id, type, checked, actor, at, emergency FROM log_leaves
    WHERE signature_id IN {ids} AND type = 'signature-repeated'"""
# The revision comes with what is found, from one state of the database. One digest is what is mostly asked for.
FOUND = """
    SELECT a.revision, s.version_id, s.manifest_sha256, s.signature
    FROM access_state a LEFT JOIN signatures s ON s.manifest_sha256 IN {digests} WHERE a.id = 1"""
FOUND_ONE = """
    SELECT a.revision, s.version_id, s.manifest_sha256, s.signature
    FROM access_state a LEFT JOIN signatures s ON s.manifest_sha256 = :digest WHERE a.id = 1"""
FLOORS = """
    SELECT key, device_type, payload_type, "order", version, set_by_leaf FROM version_floors
    WHERE (key, device_type, payload_type) IN {places}"""
RECALLED = "SELECT manifest_sha256 FROM recalled_manifests WHERE manifest_sha256 IN {digests}"
SET_FLOOR = """
    INSERT INTO version_floors (key, device_type, payload_type, "order", version, set_by_leaf)
    VALUES (:key, :device_type, :payload_type, :order, :version, :leaf)
    ON CONFLICT (key, device_type, payload_type) DO UPDATE SET "order" = excluded."order", version = excluded.version,
    set_by_leaf = excluded.set_by_leaf"""
COUNTS = """
    SELECT identity, key, period, number, signatures FROM signature_counts
    WHERE (identity, key, period) IN {places}"""
SET_COUNT = """
    INSERT INTO signature_counts (identity, key, period, number, signatures)
    VALUES (:identity, :key, :period, :number, :signatures)
    ON CONFLICT (identity, key, period) DO UPDATE SET number = excluded.number, signatures = excluded.signatures"""
ADD_SIGNATURE = """
    INSERT INTO signatures (id, version_id, manifest_sha256, signature)
    VALUES (:id, :version_id, :manifest_sha256, :signature)"""
ADD_LEAF = """
    INSERT INTO log_leaves
    (id, leaf_id, type, at, actor, key, key_version, artifact, manifest_sha256, checked, signature_id, leaf, hash,
    emergency)
    VALUES (:id, :leaf_id, :type, :at, :actor, :key, :key_version, :artifact, :manifest_sha256, :checked, :signature_id,
    :leaf, :hash, :emergency)"""
ADD_TILE = "INSERT INTO log_tiles (level, number, hashes, root) VALUES (:level, :number, :hashes, :root)"
COUNT = "UPDATE key_versions SET signature_count = :count, last_signed_at = :last WHERE id = :id"
MOVE_HEAD = """
    UPDATE log_head SET size = :size, root = :root, frontier = :frontier, at = :at, access_sha256 = :access_sha256
    WHERE id = 1"""
ADD_CHECKPOINT = "INSERT INTO log_checkpoints (size, note) VALUES (:size, :note) ON CONFLICT DO NOTHING"
SEE_MACHINE = """
    INSERT INTO log_machines (machine, timeline, size, root, seen_at)
    VALUES (:machine, :timeline, :size, :root, :seen_at)
    ON CONFLICT (machine) DO UPDATE SET timeline = excluded.timeline, size = excluded.size, root = excluded.root,
    seen_at = excluded.seen_at"""
LEAVES = "SELECT id, leaf FROM log_leaves WHERE id >= :first AND id < :end ORDER BY id"
LEAF_HASHES = "SELECT hash FROM log_leaves WHERE id >= :first AND id < :end ORDER BY id"
TILES = "SELECT hashes FROM log_tiles WHERE level = :level AND number >= :first AND number < :end ORDER BY number"
TILE_ROOTS = "SELECT root FROM log_tiles WHERE level = :level AND number >= :first AND number < :end ORDER BY number"


class Statements(Protocol):
    """The statements in one dialect."""

    def rows(self, connection: Connection, statement: str, values: Mapping[str, Any]) -> list[Sequence[Any]]:
        """All rows of a query."""

    def write(self, connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each of ``rows``: values in the order in which it names them."""

    def listed(self, values: Iterable[int | str]) -> Any:
        """Values for ``ids`` or ``digests``."""

    def places(self, values: Sequence[tuple[str, str, str]]) -> Mapping[str, Any]:
        """Values for ``places``."""

    def time(self, value: datetime) -> Any:
        """A timestamp as the driver takes it."""

    def read_time(self, value: Any) -> datetime:
        """A timestamp as the driver gave it."""


class SqliteStatements:
    """Through the driver itself, which keeps what it has prepared."""

    def __init__(self) -> None:
        self._texts = _Texts(
            ids="(SELECT value FROM json_each(:ids))",
            digests="(SELECT value FROM json_each(:digests))",
            places="(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') "
            "FROM json_each(:places))",
            # The transaction has the lock of the whole file.
            for_update="",
            for_share="",
        )

    def text(self, statement: str) -> str:
        """The statement as the driver takes it."""
        return self._texts[statement]

    def rows(self, connection: Connection, statement: str, values: Mapping[str, Any]) -> list[Sequence[Any]]:
        """All rows of a query."""
        driver: Any = connection.connection.dbapi_connection
        rows: list[Sequence[Any]] = driver.execute(self._texts[statement], values).fetchall()
        return rows

    def write(self, connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each of ``rows``."""
        driver: Any = connection.connection.dbapi_connection
        # By name, the driver would look each value of each row up.
        driver.executemany(self._texts.marked(statement, "?"), rows).close()

    def listed(self, values: Iterable[int | str]) -> str:
        """Values for ``ids`` or ``digests``."""
        return json.dumps(list(values))

    def places(self, values: Sequence[tuple[str, str, str]]) -> Mapping[str, Any]:
        """Values for ``places``."""
        return {"places": json.dumps(values)}

    def time(self, value: datetime) -> str:
        """As ``tables.UtcDateTime`` keeps it."""
        return _sqlite_time(value)

    def read_time(self, value: str) -> datetime:
        """As ``tables.UtcDateTime`` reads it."""
        return datetime.fromisoformat(value).replace(tzinfo=UTC)


@lru_cache(maxsize=TIMES)
def _sqlite_time(value: datetime) -> str:
    return value.astimezone(UTC).strftime(_SQLITE_TIME)


class PostgresStatements:
    """Rows of versions are locked by ascending id, then the head: as everywhere, so that no two wait in a circle.

    ``locking``: nothing is locked without it.
    """

    def __init__(self, *, locking: bool = True) -> None:
        self._texts = _Texts(
            ids="(SELECT unnest(CAST(:ids AS bigint[])))",
            digests="(SELECT unnest(CAST(:digests AS text[])))",
            places="(SELECT * FROM unnest(CAST(:keys AS text[]), CAST(:devices AS text[]), CAST(:payloads AS text[])))",
            for_update=" FOR UPDATE" if locking else "",
            # Whoever moves the revision waits until what was decided under it is durable.
            for_share=" FOR SHARE" if locking else "",
        )

    def rows(self, connection: Connection, statement: str, values: Mapping[str, Any]) -> list[Sequence[Any]]:
        """All rows of a query."""
        return list(connection.exec_driver_sql(self._texts.marked(statement, r"%(\1)s"), dict(values)).all())

    def write(self, connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each of ``rows``."""
        connection.exec_driver_sql(self._texts.marked(statement, "%s"), [tuple(row) for row in rows])

    def listed(self, values: Iterable[int | str]) -> list[int | str]:
        """Values for ``ids`` or ``digests``."""
        return list(values)

    def places(self, values: Sequence[tuple[str, str, str]]) -> Mapping[str, Any]:
        """Values for ``places``."""
        keys, devices, payloads = zip(*values, strict=True)
        return {"keys": list(keys), "devices": list(devices), "payloads": list(payloads)}

    def time(self, value: datetime) -> datetime:
        """A timestamp as the driver takes it."""
        return value

    def read_time(self, value: datetime) -> datetime:
        """A timestamp as the driver gave it, in UTC."""
        return value.astimezone(UTC)


class _Texts:
    """The statements with the parts that differ filled in."""

    def __init__(self, **parts: str) -> None:
        self._parts = parts
        self._made: dict[str, str] = {}
        self._marked: dict[tuple[str, str], str] = {}

    def __getitem__(self, statement: str) -> str:
        if statement not in self._made:
            self._made[statement] = statement.format_map(self._parts)
        return self._made[statement]

    def marked(self, statement: str, mark: str) -> str:
        """With the parameters as the driver writes them."""
        if (statement, mark) not in self._marked:
            self._marked[statement, mark] = _NAMED.sub(mark, self[statement])
        return self._marked[statement, mark]


@cache
def statements(dialect: str) -> Statements:
    """The statements for ``sqlite`` or ``postgresql``, made once: every transaction that appends asks for them."""
    return SqliteStatements() if dialect == "sqlite" else PostgresStatements()
