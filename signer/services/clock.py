"""The clock, judged against the newest time on record and against the machine's monotonic one.

A clock that stands before the record, or leapt while the service ran, decides about no validity and puts no time on
record: one signature with a clock that is ahead would stop all others until that moment has come.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from signer.errors import ClockLeapt, ClockMovedBack
from signer.services.ports import Clock, KeyStore

# What a time server may set right at once in a running service. It costs no more than it is: so long nothing signs.
MAX_LEAP = timedelta(seconds=60)


class SteadyClock:
    """A clock that is compared, at each look, with one that nobody can set. Safe for threads."""

    def __init__(self, *, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._last = clock(), monotonic()

    def __call__(self) -> datetime:
        """The time, aware UTC, right or not."""
        return self._clock()

    def check(self) -> None:
        """Raises ``ClockLeapt``, until the clock is back where it should be."""
        before, ticks = self._last
        now, ticks_now = self._clock(), self._monotonic()
        leap = now - before - timedelta(seconds=ticks_now - ticks)
        if abs(leap) > MAX_LEAP:
            raise ClockLeapt(seconds=round(leap.total_seconds()))
        # Small differences are a time server at work. They are taken over, so that they do not add up.
        self._last = now, ticks_now


class RecordedClock:
    """A clock that is not believed where it leapt, or is behind the record by more than ``tolerance``."""

    def __init__(self, *, clock: SteadyClock, store: KeyStore, tolerance: timedelta) -> None:
        self._clock = clock
        self._store = store
        self._tolerance = tolerance

    def unchecked(self) -> datetime:
        """What the clock says, right or not."""
        return self._clock()

    def now(self) -> datetime:
        """The time, aware UTC; raises ``ClockLeapt`` or ``ClockMovedBack``."""
        self._clock.check()
        newest, now = self._store.newest_timestamp(), self._clock()
        if newest is not None and now < newest - self._tolerance:
            raise ClockMovedBack(now=now, newest=newest)
        return now
