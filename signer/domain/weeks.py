"""Times of the week: ``mon-fri 06:00-20:00``, ``sat 10:00-12:00``, in one time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_OF_HOUR = 60
MINUTES_OF_DAY = 24 * MINUTES_OF_HOUR
_DAY = "|".join(DAYS)
_WINDOW = re.compile(rf"({_DAY})(?:-({_DAY}))? ([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Days (Monday is 0), and minutes of those days: from ``start``, to before ``end``."""

    days: frozenset[int]
    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read one; raises ``ValueError``. Days may go over the end of a week, times not over that of a day."""
        match = _WINDOW.fullmatch(text)
        if match is None:
            raise ValueError("must be DAY HH:MM-HH:MM or DAY-DAY HH:MM-HH:MM, with mon, tue, wed, thu, fri, sat, sun")
        first = DAYS.index(match[1])
        last = DAYS.index(match[2]) if match[2] else first
        start, end = (int(match[n]) * MINUTES_OF_HOUR + int(match[n + 1]) for n in (3, 5))
        if not 0 <= start < end <= MINUTES_OF_DAY:
            raise ValueError("must begin before it ends, on the same day; 24:00 is the end of a day")
        days = frozenset((first + n) % len(DAYS) for n in range((last - first) % len(DAYS) + 1))
        return cls(days=days, start=start, end=end)

    def holds(self, at: datetime) -> bool:
        """Whether the moment, in the time zone of the window, lies inside."""
        return at.weekday() in self.days and self.start <= at.hour * MINUTES_OF_HOUR + at.minute < self.end
