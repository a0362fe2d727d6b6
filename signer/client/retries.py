"""When a request is made again that failed.

1. Only calls that may be repeated are: reading, and asking for signatures. A manifest has one signature for ever, so
   that the same request again is answered with what is on record, without the token and without counting.
2. Only what may go better soon is tried again: a connection that failed, a gateway that could not pass the request on
   (502, 503, 504), and a refusal of the service itself (429, 503) that says when with ``Retry-After``.
3. Pauses double, spread at random, and are never shorter than ``Retry-After``. All tries begin within one length of
   time; a pause that would lead beyond it is not begun.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from signer.answers import ClientError, ConnectionFailed, ServiceRefusal, UnexplainedStatus

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
# The least part of a pause: clients that failed together do not come back together.
LEAST_SHARE = 0.5
GATEWAY = frozenset({502, 503, 504})
TRANSIENT = frozenset({429, 503})

Told = Callable[[ClientError, float], None]
"""Is told of a failure after which it is tried again, and in how many seconds."""


def untold(_error: ClientError, _seconds: float) -> None:
    """Nobody hears of it."""


def is_transient(error: ClientError) -> bool:
    """Whether the same request may go better soon."""
    match error:
        case ConnectionFailed():
            return True
        case ServiceRefusal(status=status, retry_after=seconds):
            return status in TRANSIENT and seconds is not None
        case UnexplainedStatus(status=status):
            return status in GATEWAY
    return False


@dataclass(slots=True, kw_only=True)
class Attempts:
    """The tries of one call, the first of which begins now. ``seconds``: within which the others begin."""

    seconds: float
    told: Told = untold
    monotonic: Callable[[], float] = time.monotonic
    uniform: Callable[[float, float], float] = secrets.SystemRandom().uniform
    _latest: float = field(init=False)
    _pause: float = field(init=False, default=FIRST_PAUSE_SECONDS)

    def __post_init__(self) -> None:
        self._latest = self.monotonic() + self.seconds

    def pause_after(self, error: ClientError) -> float:
        """Seconds until the next try; raises ``error`` where there is none."""
        if not is_transient(error):
            raise error
        pause = self._pause * self.uniform(LEAST_SHARE, 1.0)
        if isinstance(error, ServiceRefusal) and error.retry_after is not None:
            pause = max(pause, float(error.retry_after))
        if self.monotonic() + pause > self._latest:
            raise error
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        self.told(error, pause)
        return pause
