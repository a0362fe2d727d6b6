"""Which token is asked, and which next when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import TypeVar

from hsm.errors import AlgorithmUnsupported, DeadlineExceeded, KeyNotFound, TokenBusy, TokenError, TokenUnavailable
from hsm.keys import PinnedKey
from hsm.process import TokenProcess

LACKING_FOR = 30.0  # seconds for which a token that lacks a key is not asked for it again
MAX_LACKING = 10_000
ROUNDS = 2

Answer = TypeVar("Answer")


class Failover:
    """Spreads requests over the ready tokens and remembers which token lacks which key. Thread-safe."""

    def __init__(self, *, patience: float, clock: Callable[[], float]) -> None:
        self._patience = patience
        self._clock = clock
        self._turn = count()
        self._lock = threading.Lock()
        self._lacking: dict[tuple[str, bytes], float] = {}

    def candidates(self, key: PinnedKey, processes: Sequence[TokenProcess]) -> Sequence[TokenProcess]:
        """Those that may hold ``key``: all, where each is said to lack it."""
        if not self._lacking or len(processes) == 1:
            return processes
        with self._lock:
            now = self._clock()
            holding = [item for item in processes if self._lacking.get((item.config.name, key.digest), now) <= now]
        return holding or processes

    def forget(self) -> None:
        """Keys may be where they were not."""
        with self._lock:
            self._lacking.clear()

    def first_answer(
        self,
        candidates: Sequence[TokenProcess],
        key: PinnedKey,
        ask: Callable[[TokenProcess, float], Answer],
        *,
        deadline: float,
    ) -> Answer:
        """Ask the ready candidates in turn; if all failed, those that come back in time once more.

        ``ask`` gets a token and its share of the time. What is neither absence nor failure ends the request.
        """
        patience = min(deadline, self._clock() + self._patience)
        failed: dict[str, TokenError] = {}
        for _ in range(ROUNDS):
            waiting = [item for item in self._by_load(candidates) if item.ready and _worthwhile(item, failed)]
            for position, process in enumerate(waiting):
                now = self._clock()
                try:
                    return ask(process, now + (deadline - now) / (len(waiting) - position))
                except KeyNotFound as error:
                    self._note_lacking(process, key)
                    failed[process.config.name] = error
                except (TokenUnavailable, TokenBusy, DeadlineExceeded, AlgorithmUnsupported) as error:
                    failed[process.config.name] = error
            if not self._one_comes_back([item for item in candidates if _worthwhile(item, failed)], patience):
                break
        raise self._summary(candidates, failed)

    def _by_load(self, candidates: Sequence[TokenProcess]) -> list[TokenProcess]:
        """The least busy first; equally busy ones take turns."""
        if len(candidates) == 1:
            return list(candidates)
        start = next(self._turn) % len(candidates)
        return sorted([*candidates[start:], *candidates[:start]], key=lambda item: item.load)

    def _one_comes_back(self, candidates: list[TokenProcess], until: float) -> bool:
        expected = [
            (when, position)
            for position, item in enumerate(candidates)
            if (when := item.expected_at()) is not None and when < until
        ]
        return bool(expected) and candidates[min(expected)[1]].wait_ready(until)

    def _note_lacking(self, process: TokenProcess, key: PinnedKey) -> None:
        with self._lock:
            if len(self._lacking) >= MAX_LACKING:
                self._lacking.clear()
            self._lacking[(process.config.name, key.digest)] = self._clock() + LACKING_FOR

    def _summary(self, candidates: Sequence[TokenProcess], failed: dict[str, TokenError]) -> TokenError:
        """One error for all: a token that may hold the key and could not answer matters more than one without it."""
        errors = [failed.get(item.config.name) or item.unavailable() for item in candidates]
        for kinds in ((TokenUnavailable, TokenBusy), DeadlineExceeded, AlgorithmUnsupported, KeyNotFound, TokenError):
            some = [error for error in errors if isinstance(error, kinds)]
            if some:
                soonest = min(some, key=lambda error: error.retry_after or 0.0)
                return soonest if len(candidates) == 1 else replace(soonest, token="")
        raise LookupError("no candidates")


def _worthwhile(process: TokenProcess, failed: dict[str, TokenError]) -> bool:
    """Not asked yet, or failed in a way that a new process may mend."""
    return isinstance(failed.get(process.config.name), TokenUnavailable | None)
