"""Which keys a token was found to lack: a reload is tried for each once, since most likely it is true.

A module may keep what it read at the start, so a key that another process made is seen only after a reload; and a
token that was lost may show no keys. Neither is a reason to reload for everybody again and again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

ABSENT_FOR = 3600.0  # seconds for which a key that a reload did not bring is believed to be missing
MAX_ABSENT = 10_000


class Absences:
    """Packed key references, each with the time at which it was found missing. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[bytes, float] = {}

    def known(self, packed: bytes) -> bool:
        """Whether a reload was tried for this key and did not bring it."""
        with self._lock:
            return self._until.get(packed, 0.0) > self._clock()

    def note(self, packed: bytes) -> None:
        """A reload did not bring it."""
        with self._lock:
            if len(self._until) >= MAX_ABSENT:
                self._until.clear()
            self._until[packed] = self._clock() + ABSENT_FOR

    def found(self, packed: bytes) -> None:
        """It is there after all; if it vanishes, that is news again."""
        if self._until:
            with self._lock:
                self._until.pop(packed, None)
