"""How many connections each worker has open, in memory that all of them share; made before they are forked."""

from __future__ import annotations

import mmap
import struct

_COUNT = struct.Struct("=q")
ABSENT = -1


class Shares:
    """One number for each seat. Single aligned stores: a reader sees the old number or the new one."""

    def __init__(self, seats: int) -> None:
        self._memory = mmap.mmap(-1, seats * _COUNT.size)
        self._seats = seats
        self._taken: dict[int, object] = {}
        for seat in range(seats):
            self.set(seat, ABSENT)

    def set(self, seat: int, count: int) -> None:
        """The worker in this seat has so many connections, or is ``ABSENT``."""
        _COUNT.pack_into(self._memory, seat * _COUNT.size, count)

    def total(self) -> int:
        """The connections of all workers."""
        return sum(count for count in self._counts() if count != ABSENT)

    def ahead(self, seat: int) -> int:
        """By how many connections this seat is ahead of the one with the fewest; never negative."""
        counts = self._counts()
        return max(0, counts[seat] - min((count for count in counts if count != ABSENT), default=0))

    def take_seat(self, worker: object) -> int:
        """A free seat, for a worker about to be forked. For the parent."""
        seat = next(seat for seat in range(self._seats) if seat not in self._taken)
        self._taken[seat] = worker
        return seat

    def free_seat(self, worker: object) -> None:
        """The worker has ended. For the parent."""
        for seat, taker in tuple(self._taken.items()):
            if taker is worker:
                del self._taken[seat]
                self.set(seat, ABSENT)

    def _counts(self) -> tuple[int, ...]:
        return tuple(count for (count,) in _COUNT.iter_unpack(self._memory[: self._seats * _COUNT.size]))
