"""Which token is asked, and which next when it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import TypeVar

from hsm.errors import AlgorithmUnsupported, DeadlineExceeded, KeyNotFound, TokenBusy, TokenError, TokenUnavailable
from hsm.parent.client import TokenClient
from hsm.types import PinnedKey

ROUNDS = 2

Answer = TypeVar("Answer")


class Router:
    """Spreads requests over the ready tokens. Keeps no state of a token: that is ``TokenStatus``'s. Thread-safe."""

    def __init__(self, *, max_wait: float, clock: Callable[[], float]) -> None:
        self._max_wait = max_wait
        self._clock = clock
        self._turn = count()

    def candidates(self, key: PinnedKey, clients: Sequence[TokenClient]) -> Sequence[TokenClient]:
        """Those that may hold ``key``: all, where each is said to lack it."""
        if len(clients) == 1:
            return clients
        return [item for item in clients if not item.status.lacks(key.digest)] or clients

    def first_answer(
        self,
        candidates: Sequence[TokenClient],
        key: PinnedKey,
        ask: Callable[[TokenClient, float], Answer],
        *,
        deadline: float,
    ) -> Answer:
        """Ask the ready candidates in turn; if all failed, those that come back in time once more.

        ``ask`` gets a token and its share of the time. What is neither absence nor failure ends the request.
        """
        wait_until = min(deadline, self._clock() + self._max_wait)
        failed: dict[str, TokenError] = {}
        for _ in range(ROUNDS):
            waiting = [item for item in self._by_load(candidates) if item.status.ready and _worthwhile(item, failed)]
            for position, client in enumerate(waiting):
                now = self._clock()
                try:
                    return ask(client, now + (deadline - now) / (len(waiting) - position))
                except KeyNotFound as error:
                    client.status.note_lacking(key.digest)
                    failed[client.config.name] = error
                except (TokenUnavailable, TokenBusy, DeadlineExceeded, AlgorithmUnsupported) as error:
                    failed[client.config.name] = error
            if not self._one_comes_back([item for item in candidates if _worthwhile(item, failed)], wait_until):
                break
        raise self._summary(candidates, failed)

    def _by_load(self, candidates: Sequence[TokenClient]) -> list[TokenClient]:
        """The least busy first; equally busy ones take turns."""
        if len(candidates) == 1:
            return list(candidates)
        start = next(self._turn) % len(candidates)
        return sorted([*candidates[start:], *candidates[:start]], key=lambda item: item.load)

    def _one_comes_back(self, candidates: list[TokenClient], until: float) -> bool:
        expected = [
            (when, position)
            for position, item in enumerate(candidates)
            if (when := item.status.expected_at()) is not None and when < until
        ]
        return bool(expected) and candidates[min(expected)[1]].status.wait_ready(until, keep_waiting=False)

    def _summary(self, candidates: Sequence[TokenClient], failed: dict[str, TokenError]) -> TokenError:
        """One error for all: a token that may hold the key and could not answer matters more than one without it."""
        errors = [failed.get(item.config.name) or item.status.unavailable() for item in candidates]
        for kinds in ((TokenUnavailable, TokenBusy), DeadlineExceeded, AlgorithmUnsupported, KeyNotFound, TokenError):
            some = [error for error in errors if isinstance(error, kinds)]
            if some:
                soonest = min(some, key=lambda error: error.retry_after or 0.0)
                return soonest if len(candidates) == 1 else replace(soonest, token="")
        raise LookupError("no candidates")


def _worthwhile(client: TokenClient, failed: dict[str, TokenError]) -> bool:
    """Not asked yet, or failed in a way that a new client may mend."""
    return isinstance(failed.get(client.config.name), TokenUnavailable | None)
