"""The revision of keys and access: what was decided under another one is decided again before it is recorded."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from signer.storage.tables import access_state

_MOVE = update(access_state).values(revision=access_state.c.revision + 1)
_READ = select(access_state.c.revision)


def move_access_revision(connection: Connection) -> None:
    """Move the revision in the caller's transaction: after the rows of versions, before the events.

    With it moves whatever changes a key or takes access away; a new credential does not.
    """
    connection.execute(_MOVE)


def access_revision(connection: Connection) -> int:
    """The revision. Read before what it stands for: then that is at least as new."""
    return int(connection.execute(_READ).scalar_one())
