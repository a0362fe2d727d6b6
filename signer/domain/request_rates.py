"""How many requests one caller makes: so many at once, and as many a minute. Memory is bounded."""

from __future__ import annotations

from dataclasses import dataclass, field

SECONDS_PER_MINUTE = 60.0
CALLERS = 65_536


@dataclass(slots=True)
class RequestRates:
    """Of all callers of a kind, for one thread. ``per_minute``: 0 bounds nobody.

    At the bound of memory whoever came first is forgotten, and may make as many again.
    """

    per_minute: int
    callers: int = CALLERS
    _levels: dict[str, tuple[float, float]] = field(default_factory=dict)

    def wait(self, caller: str, now: float) -> float:
        """Count a request of ``caller`` at ``now``, seconds of a steady clock; 0, or how long it would have to wait.

        One that has to wait is not counted.
        """
        if self.per_minute == 0:
            return 0.0
        level, at = self._levels.get(caller, (0.0, now))
        level = max(0.0, level - (now - at) * self.per_minute / SECONDS_PER_MINUTE)
        if level + 1 > self.per_minute:
            return (level + 1 - self.per_minute) * SECONDS_PER_MINUTE / self.per_minute
        self._levels[caller] = (level + 1, now)
        if len(self._levels) > self.callers:
            del self._levels[next(iter(self._levels))]
        return 0.0
