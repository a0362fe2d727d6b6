"""Counting what identities have signed, against the limits of the rule that allows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from signer.domain.access.limits import LimitDemand, LimitReached

# Name of the identity, name of the key, period.
CountPlace = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many signatures were made in a period. ``number``: which one."""

    number: int
    signatures: int


class Counts:
    """What was counted at some places, and what a batch adds to it."""

    def __init__(self, found: dict[CountPlace, Counted]) -> None:
        self._found = found
        self.moved: dict[CountPlace, Counted] = {}

    def reached(self, identity: str, key: str, limits: Sequence[LimitDemand], at: datetime) -> LimitReached | None:
        """The limit that leaves no room for one more at this moment, that of the latest end; None where all do."""
        over = [limit for limit in limits if self._made(identity, key, limit, at) >= limit.count]
        if not over:
            return None
        reached = [LimitReached(period=each.period, count=each.count, ends=each.ends(at)) for each in over]
        endless = [each for each in reached if each.ends is None]
        return endless[0] if endless else max(reached, key=lambda each: each.ends or at)

    def add(self, identity: str, key: str, limits: Sequence[LimitDemand], at: datetime) -> None:
        """One more was made."""
        for limit in limits:
            made = Counted(number=limit.number(at), signatures=self._made(identity, key, limit, at) + 1)
            place = (identity, key, limit.period.value)
            self._found[place] = self.moved[place] = made

    def _made(self, identity: str, key: str, limit: LimitDemand, at: datetime) -> int:
        counted = self._found.get((identity, key, limit.period.value))
        # What was counted in another period says nothing of this one, also where that is still to come: the time of
        # records never goes back but where people have corrected a clock that was ahead.
        return 0 if counted is None or counted.number != limit.number(at) else counted.signatures
