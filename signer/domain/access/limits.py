"""How many signatures an identity may have made with a key: in a minute, an hour, a day, or ever.

1. A rule says so of what it allows. Counted is what the identity has signed with the key under rules that have a limit
   for that period; what was signed before there was one is not.
2. Only a new signature counts: what is on record is given out again without limit.
3. Periods begin with the minute, the hour and the day of UTC, for everybody at once: so two machines agree without
   asking each other, and whoever has to wait is told until when. Around such a moment twice as many may be made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

LARGEST_COUNT = 1 << 53


class Period(StrEnum):
    """Over what is counted, in the words of rules."""

    MINUTE = "per_minute"
    HOUR = "per_hour"
    DAY = "per_day"
    TOTAL = "total"


LENGTHS = {Period.MINUTE: timedelta(minutes=1), Period.HOUR: timedelta(hours=1), Period.DAY: timedelta(days=1)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitDemand:
    """At most ``count`` new signatures in a period."""

    period: Period
    count: int

    def number(self, at: datetime) -> int:
        """Which of the periods a moment lies in; those without an end are all one."""
        length = LENGTHS.get(self.period)
        return 0 if length is None else (at - EPOCH) // length

    def ends(self, at: datetime) -> datetime | None:
        """When the period ends that a moment lies in; None: never."""
        length = LENGTHS.get(self.period)
        return None if length is None else EPOCH + (self.number(at) + 1) * length


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReached:
    """A limit that leaves no room for another signature before ``ends``; None: ever."""

    period: Period
    count: int
    ends: datetime | None
