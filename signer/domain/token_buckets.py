"""How many tokens one auth set, or one user, gets: a burst, then one at a time.

A device asks for a token whenever it starts, and an auth request that was recorded elsewhere can be sent again: the
two look alike, so both are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from signer.domain.token_claims import TokenKind

# Digits of a second: of more there is nothing on record.
MICROSECONDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRule:
    """``burst`` tokens at once; after that one each ``seconds``."""

    burst: int
    seconds: float


RULES: Mapping[TokenKind, BucketRule] = MappingProxyType(
    {TokenKind.DEVICE: BucketRule(burst=10, seconds=60.0), TokenKind.USER: BucketRule(burst=30, seconds=10.0)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What was taken. ``level``: seconds from ``at`` until nothing of it counts any more."""

    level: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing can be taken for so many seconds."""

    seconds: float


def taken(bucket: Bucket | None, rule: BucketRule, *, now: datetime) -> Bucket | Wait:
    """The bucket after one more token was taken, or how long to wait. None: nothing was taken lately."""
    level = round((0.0 if bucket is None else _level(bucket, now)) + rule.seconds, MICROSECONDS)
    if level > rule.burst * rule.seconds:
        return Wait(seconds=round(level - rule.burst * rule.seconds, MICROSECONDS))
    return Bucket(level=level, at=now if bucket is None else max(now, bucket.at))


def _level(bucket: Bucket, now: datetime) -> float:
    # A clock that went back gives nothing back.
    return max(0.0, bucket.level - max(0.0, (now - bucket.at).total_seconds()))
