"""Limits as parts of the frames between workers and the recorder. What is malformed raises."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from signer.domain.access.limits import LARGEST_COUNT, LimitDemand, LimitReached, Period


def packed_limits(limits: Sequence[LimitDemand]) -> list[Any]:
    """Limits, as pairs."""
    return [[limit.period.value, limit.count] for limit in limits]


def parsed_limits(unverified: Any) -> tuple[LimitDemand, ...]:
    """The same, no period twice; raises ``ValueError`` or ``TypeError``."""
    found = tuple(_limit(each) for each in unverified)
    if len({limit.period for limit in found}) != len(found):
        raise ValueError("a period twice")
    return found


def _limit(unverified: Any) -> LimitDemand:
    match unverified:
        case [str(period), int(count)] if type(count) is int and 0 < count <= LARGEST_COUNT:
            return LimitDemand(period=Period(period), count=count)
    raise ValueError("no limit")


def packed_reached(reached: LimitReached) -> list[Any]:
    """The limit that leaves no room."""
    return [reached.period.value, reached.count, None if reached.ends is None else reached.ends.isoformat()]


def parsed_reached(unverified: Sequence[Any]) -> LimitReached | None:
    """The same; raises ``ValueError``."""
    match unverified:
        case []:
            return None
        case [str(period), int(count), None | str() as ends]:
            return LimitReached(
                period=Period(period), count=count, ends=None if ends is None else datetime.fromisoformat(ends)
            )
    raise ValueError("no limit")
