"""This machine's clock, compared with that of the database's server in the transaction that records.

Machines that share a log put their own times into it, and no time on record goes back: one machine whose clock is
ahead would stop all others until that moment has come. Every machine asks the same server, so none of them differs from
another by more than twice the tolerance.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from signer.errors import ClockDiffers
from signer.services.ports import Clock

# Not ``now()``, which is when the transaction began: before it waited for the head.
_NOW = text("SELECT clock_timestamp()")


class ServerClock:
    """Of a server that tells the time: PostgreSQL."""

    def __init__(self, *, clock: Clock, tolerance: timedelta) -> None:
        self._clock = clock
        self._tolerance = tolerance

    def compare(self, connection: Connection) -> None:
        """Raises ``ClockDiffers`` where this machine's clock and the server's are further apart than the tolerance."""
        asked = self._clock()
        server = server_time(connection)
        # It was that time on the server at some moment between the two looks, however long the answer took.
        nearest = min(max(server, asked), self._clock())
        if abs(nearest - server) > self._tolerance:
            raise ClockDiffers(
                seconds=round((nearest - server).total_seconds()), tolerance=self._tolerance.total_seconds()
            )


def server_time(connection: Connection) -> datetime:
    """What the server's clock says, aware UTC."""
    now: datetime = connection.execute(_NOW).scalar_one()
    return now.astimezone(UTC)
