"""Which keys a token was found to lack: a reload is tried for each, ever more rarely, since most likely it is true.

A module may keep what it read at the start, so a key that another process made or a person restored is seen only after
a reload; and a token that was lost may show no keys. Neither is a reason to reload for everybody again and again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

# Seconds for which a key that a reload did not bring is believed to be missing: doubled each time up to the last.
FIRST_BELIEF = 60.0
LAST_BELIEF = 3600.0
MAX_ABSENT = 10_000


class Absences:
    """By packed key reference: until when it is believed to be missing, and for how long. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._beliefs: dict[bytes, tuple[float, float]] = {}

    def known(self, packed: bytes) -> bool:
        """Whether a reload was tried for this key and did not bring it, a while ago at most."""
        with self._lock:
            return self._beliefs.get(packed, (0.0, 0.0))[0] > self._clock()

    def note(self, packed: bytes) -> None:
        """A reload did not bring it."""
        with self._lock:
            if len(self._beliefs) >= MAX_ABSENT:
                self._beliefs.clear()
            _, last = self._beliefs.get(packed, (0.0, FIRST_BELIEF / 2))
            lasting = min(2 * last, LAST_BELIEF)
            self._beliefs[packed] = self._clock() + lasting, lasting

    def found(self, packed: bytes) -> None:
        """It is there after all; if it vanishes, that is news again."""
        if self._beliefs:
            with self._lock:
                self._beliefs.pop(packed, None)
