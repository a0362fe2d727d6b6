"""Reloading a token that was lost: once for all who see it lost, and ever more rarely while it is of no use.

Single-flight: whoever finds the token lost remembers the generation that it worked with. The first to come reloads; the
others wait for that reload and try again with the new generation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from hsm.worker.sessions import Sessions

FIRST_INTERVAL = 0.2
# Seconds between reloads that were of no use: for a fault that one request has and others do not, and for a key that
# is not there, which is most likely true.
LAST_INTERVAL_LOSS = 2.0
LAST_INTERVAL_ABSENCE = 60.0


class Budget:
    """How often a reload may be tried for one kind of reason: ever more rarely, while it is of no use."""

    def __init__(self, last_interval: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last_interval = last_interval
        self._interval = FIRST_INTERVAL
        self._next = clock()

    @property
    def due(self) -> bool:
        """Whether another reload may be tried."""
        return self._clock() >= self._next

    def note(self, *, helped: bool) -> None:
        """Learn whether the reload helped the request that asked for it."""
        self._interval = FIRST_INTERVAL if helped else min(2 * self._interval, self._last_interval)
        self._next = self._clock() + self._interval


class Reload:
    """Reloads the token behind ``sessions``; for any number of threads. ``timeout``: seconds to wait for another's."""

    def __init__(self, sessions: Sessions, *, timeout: float, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._timeout = timeout
        # Guards the two below. Not held during the reload itself, which waits for sessions and for other processes.
        self._state = threading.Condition()
        self._under_way = False
        self._generation = 0
        self.losses = Budget(LAST_INTERVAL_LOSS, clock)
        self.absences = Budget(LAST_INTERVAL_ABSENCE, clock)

    def generation(self) -> int:
        """How often the token was reloaded; waits for the reload that is under way."""
        if self._under_way:  # without the lock: with it, too, a reload may begin as soon as this returns
            with self._state:
                self._state.wait_for(lambda: not self._under_way, self._timeout)
        return self._generation

    def recover(self, generation: int, budget: Budget) -> bool:
        """Reload unless it was done since ``generation``; True where trying once more is worthwhile.

        False where ``budget`` allows none now. Raises what the reload itself fails with.
        """
        with self._state:
            if self._under_way:
                self._state.wait_for(lambda: not self._under_way, self._timeout)
            if self._generation != generation:
                return True
            if self._under_way or not budget.due:
                return False
            self._under_way = True
        try:
            self._sessions.reopen()
            self._generation += 1  # nobody else writes it while a reload is under way
        finally:
            with self._state:
                self._under_way = False
                self._state.notify_all()
        return True
