"""Keys and access as one state: its revision, and the digest over all rows that give power.

1. What was decided under another revision is decided again before it is recorded. With it moves whatever changes a key
   or takes access away; a new credential does not move it.
2. Those rows are projections of the log: each leaf that changes them carries the digest before and after, and the head
   keeps the newest. A row that was planted or put back makes a difference, and whoever sees one stops.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Select, Table, select, update

from signer.domain.leaves import leaf_time
from signer.storage.access_tables import group_members, groups, identity_people, people, policy_revisions
from signer.storage.approval_tables import proposals, votes
from signer.storage.certificate_tables import revoked_certificates
from signer.storage.ci_tables import ci_sessions
from signer.storage.recall_tables import recalled_manifests
from signer.storage.server_certificate_tables import server_certificates
from signer.storage.tables import access_state, api_tokens, certificates, keys, versions
from signer.storage.user_tables import users

_MOVE = update(access_state).values(revision=access_state.c.revision + 1)
_READ = select(access_state.c.revision)

# Counters and last uses give no power, and move without a leaf.
POWER: tuple[tuple[Table, frozenset[str]], ...] = (
    (keys, frozenset()),
    (versions, frozenset({"signature_count", "last_signed_at"})),
    (certificates, frozenset()),
    (api_tokens, frozenset({"last_used_at"})),
)
# Of releases since there are logs: while they have no rows, they change no digest that is in one. In this order, and
# new ones after these, for ever. What is left out of some is compared with a digest that is not, whenever it is read.
LATER_POWER: tuple[tuple[Table, frozenset[str]], ...] = (
    (policy_revisions, frozenset({"text"})),
    (people, frozenset()),
    (identity_people, frozenset()),
    (groups, frozenset()),
    (group_members, frozenset()),
    (ci_sessions, frozenset()),
    (revoked_certificates, frozenset()),
    (proposals, frozenset({"document"})),
    (votes, frozenset()),
    (users, frozenset({"last_login_at", "totp_last_step", "revision"})),
    (server_certificates, frozenset({"told_days"})),
    (recalled_manifests, frozenset()),
)


def move_access_revision(connection: Connection) -> None:
    """Move the revision in the caller's transaction."""
    connection.execute(_MOVE)


def access_revision(connection: Connection) -> int:
    """The revision. Read before what it stands for: then that is at least as new."""
    return int(connection.execute(_READ).scalar_one())


def access_digest(connection: Connection) -> str:
    """SHA-256, in hex, over all rows that give power, in the order of their keys; the same on every database."""
    state = {"revision": access_revision(connection)}
    hashed = hashlib.sha256(_canonical(state))
    for table, left_out in POWER:
        columns, statement = _rows_of(table, left_out, in_order=True)
        hashed.update(_canonical(table.name))
        for row in connection.execute(statement):
            hashed.update(_canonical(_plain_row(columns, row)))
    for table, left_out in LATER_POWER:
        if rows := _in_order(connection, table, left_out):
            hashed.update(_canonical(table.name))
            hashed.update(b"".join(map(_canonical, rows)))
    return hashed.hexdigest()


def _in_order(connection: Connection, table: Table, left_out: frozenset[str]) -> list[dict[str, Any]]:
    """All rows in the order of their keys, which are texts: databases have orders of their own for those."""
    keys_of = [column.name for column in table.primary_key.columns]
    columns, statement = _rows_of(table, left_out)
    rows = [_plain_row(columns, row) for row in connection.execute(statement)]
    return sorted(rows, key=lambda row: [row[name] for name in keys_of])


@cache
def _rows_of(
    table: Table, left_out: frozenset[str], *, in_order: bool = False
) -> tuple[tuple[Column[Any], ...], Select[Any]]:
    # Made once: every change reads them twice, and making the statements takes longer than reading the rows.
    columns = tuple(column for column in table.columns if column.name not in left_out)
    statement = select(*columns)
    return columns, statement.order_by(*table.primary_key.columns) if in_order else statement


def power_mark(connection: Connection) -> str:
    """What a PostgreSQL server makes of those rows: another mark, and they are others. A hint, and cheap.

    The server reads and hashes them itself; what ``access_digest`` says is worth more, and takes longer.
    """
    mark: str = connection.exec_driver_sql(_mark_statement()).scalar_one()
    return mark


@cache
def _mark_statement() -> str:
    return f"SELECT md5(concat_ws('/', {', '.join(_marks())}))"


def _marks() -> Iterator[str]:
    yield "(SELECT revision FROM access_state)"
    for table, left_out in (*POWER, *LATER_POWER):
        columns = ", ".join(f'"{column.name}"' for column in table.columns if column.name not in left_out)
        order = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
        rows = f"string_agg(ROW({columns})::text, E'\\n' ORDER BY {order})"
        yield f"(SELECT md5(coalesce({rows}, '')) FROM \"{table.name}\")"  # noqa: S608


def _plain_row(columns: Iterable[Column[Any]], row: Iterable[Any]) -> dict[str, Any]:
    # What is not set is left out: a column that a later release adds changes no digest before it is used.
    return {column.name: _plain(value) for column, value in zip(columns, row, strict=True) if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return leaf_time(value)
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def _canonical(value: object) -> bytes:
    # One line each, so that no two rows can be read as one other.
    return _ENCODER.encode(value).encode() + b"\n"
