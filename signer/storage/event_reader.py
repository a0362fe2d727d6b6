"""Reads the events of an installation: leaves that tell of one, or what waits for a log."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from signer.domain.events import Event, EventType, RecordedEvent
from signer.domain.leaves import LogEvent, told_event
from signer.errors import LogDamaged
from signer.storage.tables import RARE, events_before_log, log_head, log_leaves

_TOLD = (LogEvent.EVENT_IMPORTED.value, *(kind.value for kind in EventType))


def read_events(connection: Connection, *, after: int, limit: int, key: str | None) -> tuple[RecordedEvent, ...]:
    """At most ``limit`` events with an id greater than ``after``, oldest first; ``key``: of this key only.

    The id of an event is its leaf's index + 1.
    """
    if not connection.execute(select(log_head.c.size)).scalar():
        return _before_log(connection, after, limit, key)
    # The condition is the index's own; the list then takes out what is no event.
    query = select(log_leaves.c.id, log_leaves.c.leaf).where(
        RARE, log_leaves.c.type.in_(_TOLD), log_leaves.c.id >= after
    )
    if key is not None:
        query = query.where(log_leaves.c.key == key)
    rows = connection.execute(query.order_by(log_leaves.c.id).limit(limit)).all()
    return tuple(_of_leaf(row.id, bytes(row.leaf)) for row in rows)


def _of_leaf(index: int, leaf: bytes) -> RecordedEvent:
    told = told_event(leaf)
    if told is None:
        raise LogDamaged(index=index, problem="the column type does not say what the leaf says")
    at, event = told
    return RecordedEvent(id=index + 1, at=at, event=event)


def _before_log(connection: Connection, after: int, limit: int, key: str | None) -> tuple[RecordedEvent, ...]:
    query = (
        select(events_before_log).where(events_before_log.c.id > after).order_by(events_before_log.c.id).limit(limit)
    )
    if key is not None:
        query = query.where(events_before_log.c.key == key)
    return tuple(recorded_event(row) for row in connection.execute(query))


def recorded_event(row: Row[Any]) -> RecordedEvent:
    """An event of the time before the log, from its row."""
    event = Event(
        type=EventType(row.type),
        actor=row.actor,
        key=row.key,
        version=row.version,
        before=row.before,
        after=row.after,
    )
    return RecordedEvent(id=row.id, at=row.at, event=event)
