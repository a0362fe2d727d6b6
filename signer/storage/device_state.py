"""The counter of what takes power from tokens: whoever keeps their states in memory reads what is newer than it knows.

It is locked after everything else: the last statement of a transaction before its leaves.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from signer.storage.token_tables import device_state

_MOVE = update(device_state).values(revision=device_state.c.revision + 1).returning(device_state.c.revision)
_READ = select(device_state.c.revision)


def move_device_revision(connection: Connection) -> int:
    """Move the counter in the caller's transaction; the new revision, for the rows that the caller changes."""
    return int(connection.execute(_MOVE).scalar_one())


def device_revision(connection: Connection) -> int:
    """The counter. Read before what it stands for: then that is at least as new."""
    return int(connection.execute(_READ).scalar_one())
