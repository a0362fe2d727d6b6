"""Appending to the log, in the transaction of whoever appends.

1. The first statement of such a transaction locks the one row of the head: who has it knows the size, and nobody else
   adds a leaf before the commit. An index that is taken all the same is a fork about to happen, and an error.
2. The index comes from the head; what is rolled back leaves no gap.
3. Full tiles are written once, with the leaf that completes them. What is not full yet is drawn from the leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from signer.domain.leaves import Leaf
from signer.domain.verified_log import grown
from signer.services.ports import LogHead
from signer.storage import record_statements as sql
from verifier.log import Frontier, leaf_hash

TILE_WIDTH = 256
HASH_BYTES = 32


def lock_head(connection: Connection) -> LogHead:
    """The head, locked until the end of the transaction; to be the first statement of it."""
    statements = sql.statements(connection.dialect.name)
    return read_head(statements, statements.rows(connection, sql.HEAD, {})[0])


def read_head(statements: sql.Statements, row: Sequence[Any]) -> LogHead:
    """The head from its row."""
    size, root, frontier, at, access = row
    hashes = bytes(frontier)
    return LogHead(
        frontier=Frontier(
            size, tuple(hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES))
        ),
        root=bytes(root),
        newest=None if at is None else statements.read_time(at),
        access_sha256=access,
    )


def append(
    connection: Connection, head: LogHead, leaves: Sequence[Leaf], *, access_sha256: str | None = None
) -> LogHead:
    """Append the leaves to the head that this transaction has locked; gives the new head.

    ``access_sha256``: of the rows that give power, where the transaction changed them. Raises
    ``sqlalchemy.exc.IntegrityError`` where an index or an id is taken.
    """
    if not leaves:
        return head
    statements = sql.statements(connection.dialect.name)
    hashes = [leaf_hash(leaf.content) for leaf in leaves]
    numbered = zip(range(head.size, head.size + len(leaves)), leaves, hashes, strict=True)
    statements.write(connection, sql.ADD_LEAF, [_row(statements, *each) for each in numbered])
    frontier = grown(head.frontier, tuple(hashes))
    _complete_tiles(connection, statements, head.size, frontier.size)
    moved = LogHead(
        frontier=frontier,
        root=frontier.root,
        newest=leaves[-1].columns.at,
        access_sha256=head.access_sha256 if access_sha256 is None else access_sha256,
    )
    statements.write(connection, sql.MOVE_HEAD, [_head_row(statements, moved)])
    return moved


def _head_row(statements: sql.Statements, head: LogHead) -> tuple[Any, ...]:
    at = None if head.newest is None else statements.time(head.newest)
    return head.size, head.root, b"".join(head.frontier.hashes), at, head.access_sha256


def _row(statements: sql.Statements, index: int, leaf: Leaf, hashed: bytes) -> tuple[Any, ...]:
    columns = leaf.columns
    return (
        index,
        columns.leaf_id,
        columns.type,
        statements.time(columns.at),
        columns.actor,
        columns.key,
        columns.key_version,
        columns.artifact,
        columns.manifest_sha256,
        columns.checked,
        leaf.signature_id,
        leaf.content,
        hashed,
        columns.emergency,
    )


def _complete_tiles(connection: Connection, statements: sql.Statements, old_size: int, size: int) -> None:
    """Write the tiles that are full now, level by level: 256 full tiles of one complete one of the level above."""
    level, before, now = 0, old_size // TILE_WIDTH, size // TILE_WIDTH
    while now > before:
        rows = [_tile(connection, statements, level, number) for number in range(before, now)]
        statements.write(connection, sql.ADD_TILE, rows)
        level, before, now = level + 1, before // TILE_WIDTH, now // TILE_WIDTH


def _tile(connection: Connection, statements: sql.Statements, level: int, number: int) -> tuple[Any, ...]:
    first = number * TILE_WIDTH
    bounds = {"first": first, "end": first + TILE_WIDTH}
    if level == 0:
        found = statements.rows(connection, sql.LEAF_HASHES, bounds)
    else:
        found = statements.rows(connection, sql.TILE_ROOTS, {"level": level - 1, **bounds})
    hashes = [bytes(each) for (each,) in found]
    if len(hashes) != TILE_WIDTH:
        raise LookupError(f"tile {level}/{number} of the log has {len(hashes)} of its hashes on record")
    return level, number, b"".join(hashes), Frontier().extended(hashes).root
