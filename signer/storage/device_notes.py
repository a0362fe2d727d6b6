"""That keys of devices have asked, written down for all that ask at the same time by one transaction.

1. A call returns when what it wrote is durable. While one transaction is under way, the calls that come meanwhile wait,
   and the next one is for all of them: so a call waits for one transaction at most before its own.
2. Of one key each call meets what the one before has left, in one transaction as in two.
3. The transaction locks the rows of devices and keys in the order of the devices' ids.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from signer.domain.auth_requests import Freshness, LastFresh, fresh_after
from signer.domain.devices import AuthStatus
from signer.errors import DeviceRefusal, DeviceRefused
from signer.services.ports import Clock
from signer.storage.database import Database, retried
from signer.storage.device_tables import auth_sets, devices

_CHOSEN = (
    select(
        auth_sets.c.id,
        auth_sets.c.device_id,
        auth_sets.c.status,
        auth_sets.c.valid_until,
        auth_sets.c.fresh_ts,
        auth_sets.c.fresh_nonces,
    )
    .join(devices, devices.c.id == auth_sets.c.device_id)
    .where(auth_sets.c.id.in_(bindparam("sets", expanding=True)))
    .where(auth_sets.c.status != AuthStatus.DISMISSED.value, devices.c.decommissioning.is_(False))
    .order_by(devices.c.id)
    .with_for_update()
)
_SET = auth_sets.c.id == bindparam("of_set")
_PROLONG = update(auth_sets).where(_SET).values(valid_until=bindparam("until"))
_FRESH = update(auth_sets).where(_SET).values(fresh_ts=bindparam("ts"), fresh_nonces=bindparam("nonces"))
_CHECK_IN = update(devices).where(devices.c.id == bindparam("of_device")).values(checked_in_at=bindparam("now"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A key of a device has asked. ``freshness``: what its request said of its time."""

    device_id: str
    auth_set: str
    freshness: Freshness | None


class _Call:
    """A note that waits to be written; then ``failure`` is what its caller is told, None: it is durable."""

    __slots__ = ("done", "failure", "note")

    def __init__(self, note: Note) -> None:
        self.note = note
        self.done = False
        self.failure: Exception | None = None


class DeviceNotes:
    """For threads."""

    def __init__(self, *, database: Database, clock: Clock, pending_lifetime: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._pending_lifetime = pending_lifetime
        self._waiting: list[_Call] = []
        self._adding, self._turn = threading.Lock(), threading.Lock()

    def write(self, note: Note) -> None:
        """Durably; raises ``DeviceRefused`` where the key is gone or has sent that before, and what databases raise."""
        call = _Call(note)
        with self._adding:
            self._waiting.append(call)
        with self._turn:
            if not call.done:
                self._write_all()
        if call.failure is not None:
            raise call.failure

    def _write_all(self) -> None:
        """What waits now, of which the caller's own is one; for whoever has the turn."""
        with self._adding:
            calls, self._waiting = self._waiting, []
        try:
            failures = self._written([call.note for call in calls])
        except Exception as error:
            for call in calls:
                call.done, call.failure = True, error
            raise
        for call, failure in zip(calls, failures, strict=True):
            call.done, call.failure = True, failure

    @retried
    def _written(self, notes: Sequence[Note]) -> list[DeviceRefused | None]:
        now = self._clock()
        with self._database.writing() as connection:
            keys = _Keys(connection, {note.auth_set for note in notes}, now=now)
            failures = [keys.take(note) for note in notes]
            keys.write(until=now + self._pending_lifetime)
        return failures


class _Keys:
    """The keys that notes are about, in one transaction."""

    def __init__(self, connection: Connection, sets: Iterable[str], *, now: datetime) -> None:
        self._connection = connection
        self._now = now
        rows = connection.execute(_CHOSEN, {"sets": sorted(sets)}).all()
        self._rows = {row.id: row for row in rows}
        self._last = {
            row.id: None if row.fresh_ts is None else LastFresh(ts=row.fresh_ts, nonces=tuple(row.fresh_nonces))
            for row in rows
        }
        self._fresh: dict[str, LastFresh] = {}
        self._prolonged: set[str] = set()
        self._devices: set[str] = set()

    def take(self, note: Note) -> DeviceRefused | None:
        """What becomes of a note; None: it is to be written."""
        row = self._rows.get(note.auth_set)
        if row is None or row.device_id != note.device_id:  # taken away since it was looked at
            return DeviceRefused(reason=DeviceRefusal.REJECTED)
        if row.status == AuthStatus.PENDING.value and row.valid_until is not None:
            self._prolonged.add(row.id)
        else:
            try:
                following = fresh_after(self._last[row.id], note.freshness, now=self._now)
            except DeviceRefused as refused:
                return refused
            if following is not None:
                self._last[row.id] = self._fresh[row.id] = following
        self._devices.add(row.device_id)
        return None

    def write(self, *, until: datetime) -> None:
        """What the notes have changed. ``until``: how long keys that nobody decided about are remembered from now."""
        self._run(_PROLONG, [{"of_set": each, "until": until} for each in sorted(self._prolonged)])
        fresh = sorted(self._fresh.items())
        self._run(_FRESH, [{"of_set": each, "ts": last.ts, "nonces": list(last.nonces)} for each, last in fresh])
        self._run(_CHECK_IN, [{"of_device": each, "now": self._now} for each in sorted(self._devices)])

    def _run(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        if rows:
            self._connection.execute(statement, rows)
