"""When a fault of the service was last found, in memory that all workers share; made before they are forked."""

from __future__ import annotations

import math
import mmap

NEVER = -math.inf


class LastFault:
    """One moment. A single aligned store: a reader sees the old moment or the new one.

    Of two workers that find faults at the same time either may win; each tells of its own in its row too.
    """

    def __init__(self) -> None:
        self._moment = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")
        self._moment[0] = NEVER

    def note(self, moment: float) -> None:
        """A fault was found at ``moment``, monotonic seconds."""
        self._moment[0] = moment

    @property
    def moment(self) -> float | None:
        """Monotonic seconds; None: there was none."""
        found = self._moment[0]
        return None if found == NEVER else found
