"""The clock, judged against the newest time on record: one that stands before it decides about no validity."""

from __future__ import annotations

from datetime import datetime, timedelta

from signer.errors import ClockMovedBack
from signer.services.ports import Clock, KeyStore


class RecordedClock:
    """A clock that is not believed where it is behind the record by more than ``tolerance``."""

    def __init__(self, *, clock: Clock, store: KeyStore, tolerance: timedelta) -> None:
        self._clock = clock
        self._store = store
        self._tolerance = tolerance

    def now(self) -> datetime:
        """The time, aware UTC; raises ``ClockMovedBack``."""
        newest, now = self._store.newest_timestamp(), self._clock()
        if newest is not None and now < newest - self._tolerance:
            raise ClockMovedBack(now=now, newest=newest)
        return now
