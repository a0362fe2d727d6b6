"""One transaction of what is rarer than signatures: it changes rows, and tells so in leaves of its own.

1. The head is locked first, then whatever the caller locks: the order of all transactions, so that no two wait for
   each other.
2. Rows that give power are compared with what the log says of them before they are changed. A row that was planted is
   so never certified by the next honest change.
3. No change of such rows goes without a leaf: where its author tells of none, ``access-changed`` stands for it.
4. Times on record never go back but in a leaf that says so. What has to be possible while the clock is behind (a
   version is switched off) has the time of the leaf before it, and tells what the clock said.
5. Before an installation has a log, its events wait in a table of their own, which the log's first transaction empties.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection, insert, select

from signer.domain.events import Event, EventType
from signer.domain.leaves import AccessChange, LeafDraft, LogEvent, event_draft
from signer.domain.timestamps import rfc3339
from signer.errors import AccessTampered
from signer.services.ports import Clock, LogHead
from signer.storage.access import access_digest, access_revision
from signer.storage.database import Database
from signer.storage.log_append import append, lock_head
from signer.storage.tables import events_before_log, log_head

SERVICE = "artifact-signer"


@dataclass(slots=True, kw_only=True)
class LogTransaction:
    """A transaction with the head locked. ``tell`` what it does; the leaves are written at its end."""

    connection: Connection
    head: LogHead
    clock: Clock
    _drafts: list[LeafDraft] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        """Put the event on record with this transaction."""
        self._events.append(event)

    def tell_leaf(self, draft: LeafDraft) -> None:
        """Put a leaf on record that tells of no event; there has to be a log."""
        self._drafts.append(draft)

    def finish(self) -> None:
        """Write what was told; to be called once, at the end."""
        if self.head.size == 0:
            _keep_before_log(self.connection, self._events, self.clock())
            return
        after = access_digest(self.connection)
        drafts = [event_draft(self._timed(event)) for event in self._events] + self._drafts
        if after != self.head.access_sha256:
            if not drafts:
                drafts.append(LeafDraft(type=LogEvent.ACCESS_CHANGED, actor=SERVICE, members={}))
            change = AccessChange(
                revision=access_revision(self.connection), before=self.head.access_sha256, after=after
            )
            drafts[-1] = replace(drafts[-1], access=change)
        leaves = [draft.leaf(at=self._at(draft)) for draft in drafts]
        append(self.connection, self.head, leaves, access_sha256=after)

    def _at(self, draft: LeafDraft) -> datetime:
        now, newest = self.clock(), self.head.newest
        return now if newest is None or draft.type is EventType.CLOCK_CORRECTED else max(now, newest)

    def _timed(self, event: Event) -> Event:
        now, newest = self.clock(), self.head.newest
        if newest is None or now >= newest or event.type is EventType.CLOCK_CORRECTED:
            return event
        return replace(event, after={**event.after, "clock": rfc3339(now)})


@contextmanager
def logged(database: Database, clock: Clock) -> Iterator[LogTransaction]:
    """A transaction that tells what it does. Raises ``AccessTampered``, and what ``Database.writing`` raises."""
    with database.writing() as connection:
        head = lock_head(connection)
        if head.size:
            compare_access(connection, head)
        log = LogTransaction(connection=connection, head=head, clock=clock)
        yield log
        log.finish()


def newest_on_record(connection: Connection) -> datetime | None:
    """When the newest leaf was recorded, or the newest event before there was a log."""
    newest: datetime | None = connection.execute(select(log_head.c.at)).scalar()
    if newest is None:
        newest = connection.execute(_LAST_EVENT.with_only_columns(events_before_log.c.at)).scalar()
    return newest


def compare_access(connection: Connection, head: LogHead) -> None:
    """Raises ``AccessTampered`` where what gives power is not what the head says of it."""
    found = access_digest(connection)
    if found != head.access_sha256:
        raise AccessTampered(revision=access_revision(connection), expected=head.access_sha256, found=found)


def _keep_before_log(connection: Connection, events: list[Event], now: datetime) -> None:
    for event in events:
        last = connection.execute(_LAST_EVENT).one_or_none()
        at, after = now, dict(event.after)
        if last is not None and now < last.at and event.type is not EventType.CLOCK_CORRECTED:
            at, after["clock"] = last.at, rfc3339(now)
        connection.execute(insert(events_before_log).values(_row(event, 1 if last is None else last.id + 1, at, after)))


def _row(event: Event, event_id: int, at: datetime, after: Mapping[str, object]) -> dict[str, object]:
    return {
        "id": event_id,
        "at": at,
        "type": event.type.value,
        "actor": event.actor,
        "key": event.key,
        "version": event.version,
        "before": dict(event.before),
        "after": dict(after),
    }


_LAST_EVENT = select(events_before_log.c.id, events_before_log.c.at).order_by(events_before_log.c.id.desc()).limit(1)
