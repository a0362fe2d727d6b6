"""Every row and column of the log, unverified, for who compares all of it. Shows nothing to anybody else.

Facts of one moment come from one transaction; rows below a size that was read never change, and are read in parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Connection, Select, String, Table, func, select, text, type_coerce

from signer.domain.events import EventType
from signer.domain.floors import rebuilt
from signer.domain.leaves import LogEvent, leaf_time
from signer.domain.log_rows import CheckpointRow, LeafRow, LogFacts, MachineRow, SignatureRow, TileRow, ToldFloors
from signer.errors import DatabaseDamaged, LogMissing
from signer.storage.access import access_digest
from signer.storage.access_tables import policy_revisions, version_floors
from signer.storage.approval_tables import proposals
from signer.storage.database import Database
from signer.storage.policy_store import text_digest
from signer.storage.tables import (
    events_before_log,
    keys,
    log_checkpoints,
    log_head,
    log_leaves,
    log_machines,
    log_tiles,
    records_before_log,
    signatures,
    versions,
)
from verifier.log import parsed_leaf

KEPT = ("signatures", "log_leaves", "log_tiles", "log_checkpoints", "policy_revisions")
_APART = ("id", "leaf", "hash", "signature_id")
BESIDE: tuple[Column[Any], ...] = tuple(column for column in log_leaves.columns if column.name not in _APART)
"""Every column but these: one that is new is compared from the day on which it is there."""
_PAGE = 256
# As it is kept: what is no time at all is compared, too, and not refused by what reads times.
_AT = {"sqlite": type_coerce(log_leaves.c.at, String), "postgresql": log_leaves.c.at}
_LEAVES = (
    select(
        *(column for column in log_leaves.columns if column.name != "at"),
        signatures.c.manifest_sha256.label("s_manifest"),
        signatures.c.signature.label("s_signature"),
        keys.c.name.label("s_key"),
        versions.c.number.label("s_version"),
    )
    .outerjoin(signatures, signatures.c.id == log_leaves.c.signature_id)
    .outerjoin(versions, versions.c.id == signatures.c.version_id)
    .outerjoin(keys, keys.c.id == versions.c.key_id)
    .order_by(log_leaves.c.id)
)
_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D'",
}
_TRIGGER_NAMES = {"sqlite": ("{}_keep_update", "{}_keep_delete"), "postgresql": ("{}_keep",)}


class SqlLogAudit:
    """Reads the rows of a log. Raises what databases raise."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    def facts(self) -> LogFacts:
        """The single rows and counts, all of one moment."""
        with self._database.snapshot() as connection:
            head = connection.execute(select(log_head).where(log_head.c.id == 1)).one_or_none()
            if head is None:
                raise LogMissing
            if type(head.size) is not int:
                raise DatabaseDamaged(damage=("the size of the log is no number",))
            machines = connection.execute(select(log_machines).order_by(log_machines.c.size)).all()
            return LogFacts(
                size=head.size,
                root=_octets(head.root),
                frontier=_octets(head.frontier),
                newest=None if head.at is None else leaf_time(head.at),
                access_sha256=head.access_sha256,
                access_found=_access(connection),
                leaves=_count(connection, log_leaves),
                tiles=_tiles_by_level(connection),
                largest_checkpoint=connection.execute(_LARGEST).scalar() or 0,
                machines=tuple(MachineRow(row.machine, row.size, _octets(row.root)) for row in machines),
                waiting=_count(connection, events_before_log) + _count(connection, records_before_log),
                signatures=_count(connection, signatures),
                first_leaves=connection.execute(_FIRST_LEAVES).scalar_one(),
                unkept=_unkept(connection, self._database.dialect),
                floors=_floors(connection),
            )

    def rows(self, first: int, end: int) -> list[LeafRow | None]:
        """The leaves ``[first, end)``; None where one is missing."""
        bounds = (log_leaves.c.id >= first, log_leaves.c.id < end)
        wanted = _LEAVES.add_columns(_AT[self._database.dialect].label("at")).where(*bounds)
        with self._database.reading() as connection:
            found = {row.id: _leaf_row(row) for row in connection.execute(wanted)}
        return [found.get(index) for index in range(first, end)]

    def tiles(self) -> Iterator[TileRow]:
        """All full tiles, by level and number."""
        for level in sorted(self._levels()):
            wanted = select(log_tiles).where(log_tiles.c.level == level).order_by(log_tiles.c.number)
            for row in self._paged(wanted, log_tiles.c.number):
                yield _tile_row(row)

    def tile(self, level: int, number: int) -> TileRow | None:
        """One full tile."""
        wanted = select(log_tiles).where(log_tiles.c.level == level, log_tiles.c.number == number)
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else _tile_row(row)

    def roots(self, level: int, first: int, end: int) -> list[bytes]:
        """The roots of full tiles ``[first, end)`` of a level, in order, as far as they are there."""
        column = log_tiles.c.number
        wanted = select(log_tiles.c.root).where(log_tiles.c.level == level, column >= first, column < end)
        with self._database.reading() as connection:
            return [_octets(root) for (root,) in connection.execute(wanted.order_by(column))]

    def checkpoints(self) -> Iterator[CheckpointRow]:
        """All checkpoints, by size."""
        wanted = select(log_checkpoints).order_by(log_checkpoints.c.size)
        for row in self._paged(wanted, log_checkpoints.c.size):
            yield CheckpointRow(row.size, _octets(row.note))

    def told_floors(self, end: int) -> ToldFloors:
        """How far versions have come, as the leaves ``[0, end)`` say, which were found to be right."""
        wanted = _CLAIMS.where(log_leaves.c.id < end)
        leaves = self._paged(wanted, log_leaves.c.id)
        found = rebuilt((row.id, parsed_leaf(bytes(row.leaf))) for row in leaves if _tells_of_versions(row.leaf))
        return {place: (floor.order.value, floor.version, floor.leaf) for place, floor in found.items()}

    def _levels(self) -> dict[int, int]:
        with self._database.reading() as connection:
            return _tiles_by_level(connection)

    def _paged(self, wanted: Select[Any], place: Column[Any]) -> Iterator[Any]:
        after: int | None = None
        while True:
            page = wanted if after is None else wanted.where(place > after)
            with self._database.reading() as connection:
                rows = connection.execute(page.limit(_PAGE)).all()
            yield from rows
            if len(rows) < _PAGE:
                return
            after = getattr(rows[-1], place.name)


_CLAIMS = (
    select(log_leaves.c.id, log_leaves.c.leaf)
    .where(log_leaves.c.type.in_([LogEvent.SIGNATURE, LogEvent.SIGNATURE_REPEATED, EventType.FLOOR_SET]))
    .order_by(log_leaves.c.id)
)
_LARGEST = select(func.max(log_checkpoints.c.size))
_FIRST_LEAVES = select(func.count()).select_from(log_leaves).where(log_leaves.c.signature_id == log_leaves.c.id)


def _leaf_row(row: Any) -> LeafRow:
    columns = {column.name: _plain(getattr(row, column.name)) for column in BESIDE}
    columns["at"] = _time(row.at)
    signature = None
    if row.signature_id is not None:
        content = None if row.s_signature is None else _octets(row.s_signature)
        signature = SignatureRow(row.signature_id, row.s_manifest, content, row.s_key, row.s_version)
    return LeafRow(_octets(row.leaf), columns, _octets(row.hash), signature)


def _plain(value: Any) -> object:
    return bytes(value) if isinstance(value, memoryview) else value


def _time(value: Any) -> object:
    """As leaves write it, of what is kept as a text or a time."""
    return f"{value.replace(' ', 'T', 1)}Z" if isinstance(value, str) else leaf_time(value)


def _tile_row(row: Any) -> TileRow:
    return TileRow(row.level, row.number, _octets(row.hashes), _octets(row.root))


def _access(connection: Connection) -> str:
    try:
        texts = connection.execute(select(policy_revisions.c.text, policy_revisions.c.sha256))
        if any(text_digest(row.text) != row.sha256 for row in texts):
            return "of a policy whose text is another"
        kept = connection.execute(select(proposals.c.document, proposals.c.document_sha256))
        if any(text_digest(row.document) != row.document_sha256 for row in kept):
            return "of a proposal whose document is another"
        return access_digest(connection)
    except (ValueError, TypeError):
        return "of rows that cannot be read"


def _floors(connection: Connection) -> ToldFloors:
    rows = connection.execute(select(version_floors))
    return {(row.key, row.device_type, row.payload_type): (row.order, row.version, row.set_by_leaf) for row in rows}


def _tells_of_versions(leaf: bytes) -> bool:
    # Most leaves do not, and need not be read.
    return b'"version_for"' in leaf or b'"floor-set"' in leaf


def _octets(value: object) -> bytes:
    # SQLite keeps what it is given, whatever the column is declared as: text is no bytes that anything begins with.
    return bytes(value) if isinstance(value, bytes | memoryview) else b""


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _tiles_by_level(connection: Connection) -> dict[int, int]:
    counted = select(log_tiles.c.level, func.count().label("tiles")).group_by(log_tiles.c.level)
    return {row.level: row.tiles for row in connection.execute(counted)}


def _unkept(connection: Connection, dialect: str) -> tuple[str, ...]:
    found = {name for (name,) in connection.execute(text(_TRIGGERS[dialect]))}
    return tuple(table for table in KEPT if not {name.format(table) for name in _TRIGGER_NAMES[dialect]} <= found)
