"""How long to wait before the next attempt: longer each time, and not all devices of a fleet at once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The first wait is at most ``first`` seconds, each further one twice that, none more than ``most``.

    Attributes:
        spread: the part of each wait that is chosen at random, from 0 to 1: a wait of at most 8 s with a spread of
            0.5 takes between 4 and 8.
    """

    first: float = 1.0
    most: float = 300.0
    spread: float = 0.5

    def waits(self, choose: random.Random) -> Iterator[float]:
        """Seconds, without an end."""
        bound = min(self.first, self.most)
        while True:
            yield bound * (1.0 - self.spread * choose.random())
            bound = min(bound * 2, self.most)

    def after(self, asked: float, choose: random.Random) -> float:
        """Seconds where the service has asked for ``asked``: never less, and at most ``spread`` of it more."""
        return asked * (1.0 + self.spread * choose.random())
