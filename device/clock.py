"""Time on devices: many start in 1970, and find out later."""

from __future__ import annotations

from datetime import UTC, datetime

from device.errors import ClockWrong

# When this program was made. A clock before it is wrong, whatever else is true.
EARLIEST = datetime(2026, 11, 1, tzinfo=UTC)


def plausible(unverified_now: float) -> datetime:
    """The time, seconds since 1970, as one that can be; raises ``ClockWrong``.

    Asked before every connection: with such a clock each certificate is "not yet valid", which would send people after
    the certificates.
    """
    now = datetime.fromtimestamp(unverified_now, UTC)
    if now < EARLIEST:
        raise ClockWrong(now=now.isoformat(timespec="seconds"), earliest=EARLIEST.isoformat(timespec="seconds"))
    return now
