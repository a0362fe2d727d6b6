"""Limits that the recorder said are reached: asking again before their period ends costs the token nothing.

What is remembered is never the only reason of a refusal for longer than the period, and other limits than those that
were reached are not remembered: a rule that allows more holds at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from signer.domain.access.limits import LimitDemand, LimitReached
from signer.errors import RateLimited, SignatureCountReached

ENTRIES = 1024


class ReachedLimits:
    """For one event loop."""

    def __init__(self) -> None:
        self._reached: dict[tuple[str, str, LimitDemand], LimitReached] = {}

    def note(self, identity: str, key: str, reached: LimitReached) -> None:
        """The recorder said so."""
        if len(self._reached) >= ENTRIES:
            self._reached.clear()
        self._reached[identity, key, LimitDemand(period=reached.period, count=reached.count)] = reached

    def among(self, identity: str, key: str, limits: Sequence[LimitDemand], now: datetime) -> LimitReached | None:
        """One of the limits that is known to be reached at this moment."""
        for limit in limits:
            reached = self._reached.get((identity, key, limit))
            if reached is not None and (reached.ends is None or now < reached.ends):
                return reached
        return None


def limit_error(key: str, reached: LimitReached, now: datetime) -> RateLimited | SignatureCountReached:
    """The error that says so."""
    if reached.ends is None:
        return SignatureCountReached(key=key, limit=reached.count)
    seconds = max(1.0, (reached.ends - now).total_seconds())
    return RateLimited(key=key, limit=reached.count, period=reached.period.value, retry_after=seconds)
