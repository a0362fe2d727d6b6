"""How long all waits for a database may take together, where one after the other they would add up."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Allowance:
    """What is left of the time that a thread was given. Safe for threads: each has its own."""

    def __init__(self) -> None:
        self._given = threading.local()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Until the block ends, waits of this thread end ``seconds`` from now at the latest."""
        self._given.until = time.monotonic() + seconds
        try:
            yield
        finally:
            del self._given.until

    @property
    def until(self) -> float:
        """When waits end, on ``time.monotonic``; infinite where nothing was said."""
        until: float = getattr(self._given, "until", math.inf)
        return until
