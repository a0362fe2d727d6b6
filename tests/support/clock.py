"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class ManualClock:
    """Answers ``now``, aware UTC."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        """Move on (or back) by the arguments of ``timedelta``; returns the new time."""
        self.now += timedelta(**by)
        return self.now


class MovingClock:
    """A microsecond later at each call, so that no two moments on record are equal."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def __call__(self) -> datetime:
        self._now += timedelta(microseconds=1)
        return self._now
