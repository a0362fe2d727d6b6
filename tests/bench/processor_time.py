"""The processor time of one call."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS, ROUNDS = 0.05, 7


def microseconds(call: Callable[[], object]) -> float:
    """Of this thread, the best of several rounds; each makes as many calls as take about ``SECONDS``."""
    begun = time.thread_time()
    call()
    calls = max(1, int(SECONDS / max(time.thread_time() - begun, 1e-6)))
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.thread_time()
        for _ in range(calls):
            call()
        best = min(best, time.thread_time() - begun)
    return best / calls * 1e6
