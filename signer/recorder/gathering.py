"""How long what has come waits for more: a commit and its checkpoint cost as much for one record as for many.

1. As many are expected as were here at once before each of the last commits, waiting or with an answer that is held
   back. Who asks alone is never held up; callers who ask again as soon as they are answered meet in one commit, those
   of all workers, instead of taking turns.
2. A batch waits ``patience`` seconds at most, from its first record on: those who do not come again cost that once.
3. What was here a while ago says nothing of now.
"""

from __future__ import annotations

from collections import deque

PATIENCE_SECONDS = 0.008
# So many are worth a commit of their own.
ENOUGH = 64
# All of so many commits have to have found others here: what met by chance is not waited for.
COMMITS = 3
MEMORY_SECONDS = 0.25


class Gathering:
    """Decides when a batch begins.

    ``patience``: seconds from its first record on. ``memory``: seconds for which a commit says what is to be expected.
    """

    def __init__(self, *, patience: float = PATIENCE_SECONDS, memory: float = MEMORY_SECONDS) -> None:
        self._patience = patience
        self._memory = memory
        self._until = 0.0
        self._most = 0
        self._before: deque[int] = deque(maxlen=COMMITS)
        self._last = 0.0

    def came(self, now: float, *, waiting: int, held: int) -> None:
        """Something came: ``waiting`` for a commit are there now, and ``held`` answers wait for a checkpoint."""
        if not waiting:  # what came is no record
            return
        if not self._most:
            self._until = now + self._patience
        self._most = max(self._most, waiting + held)

    def left(self, now: float, *, waiting: int) -> float:
        """Seconds for which what waits still waits for more; 0 where its commit is to begin."""
        if now - self._last > self._memory:
            self._before.clear()
        expected = min(self._before) if len(self._before) == COMMITS else 0
        if not waiting or waiting >= min(expected, ENOUGH):
            return 0.0
        return max(0.0, self._until - now)

    def begun(self, now: float) -> None:
        """A commit of all that waited begins."""
        self._before.append(self._most)
        self._most = 0
        self._last = now
