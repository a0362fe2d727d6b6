"""Tells in the log which keys its checkpoints are verified with, whenever they have become others."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from signer.domain.leaves import LeafDraft, LogEvent
from signer.services.ports import Clock
from signer.storage.database import Database
from signer.storage.log_transaction import logged
from signer.storage.tables import log_leaves
from verifier.log import parsed_leaf
from verifier.log.leaves import LeafValue

_TELLING = (LogEvent.LOG_CREATED, LogEvent.LOG_CONTINUED, LogEvent.LOG_KEY_CHANGED)
_LAST = (
    select(log_leaves.c.leaf)
    .where(log_leaves.c.type.in_([kind.value for kind in _TELLING]))
    .order_by(log_leaves.c.id.desc())
    .limit(1)
)


def told_keys(origin: str, keys: Sequence[str]) -> dict[str, LeafValue]:
    """What a leaf says of the keys, which are verifier keys as text."""
    return {"origin": origin, "keys": list(keys)}


def tell_log_keys(database: Database, *, clock: Clock, actor: str, origin: str, keys: Sequence[str]) -> bool:
    """Append a leaf ``log-key-changed`` unless the log says the same already; whether it was appended.

    Raises ``AccessTampered``, and what ``Database.writing`` raises.
    """
    with database.reading() as connection:
        if _last(connection) == list(keys):
            return False
    with logged(database, clock) as log:
        # Again, under the lock of the head: another machine may have told it meanwhile.
        if _last(log.connection) == list(keys):
            return False
        log.tell_leaf(LeafDraft(type=LogEvent.LOG_KEY_CHANGED, actor=actor, members=told_keys(origin, keys)))
    return True


def _last(connection: Connection) -> LeafValue | None:
    leaf = connection.execute(_LAST).scalar()
    return None if leaf is None else parsed_leaf(bytes(leaf)).get("keys")
