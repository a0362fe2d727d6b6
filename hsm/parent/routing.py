"""Which token is asked, and which next when it fails. Decides only: asking and waiting are done by who drives a route.

1. The ready token with the least to do comes first; equally busy ones take turns.
2. What is neither absence nor failure ends the request: a wrong signature or another key is for people to look at, not
   for another token to hide.
3. When all have failed, a token that is about to be back is waited for, at most ``max_wait`` seconds, once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import NamedTuple

from hsm.errors import AlgorithmUnsupported, DeadlineExceeded, KeyNotFound, TokenBusy, TokenError, TokenUnavailable
from hsm.parent.client import TokenClient
from hsm.types import PinnedKey

ROUNDS = 2


class Ask(NamedTuple):
    """Ask this token next, and wait for it until then at most."""

    client: TokenClient
    until: float


class Wait(NamedTuple):
    """Wait until this token is ready, until then at most; then say so by ``Route.waited``."""

    client: TokenClient
    until: float


class Router:
    """Makes routes. Keeps no state of a token: that is ``TokenStatus``'s."""

    def __init__(self, *, max_wait: float, clock: Callable[[], float]) -> None:
        self._max_wait = max_wait
        self._clock = clock
        self._turn = count()

    def route(self, key: PinnedKey, clients: Sequence[TokenClient], *, deadline: float) -> Route:
        """A way over those of ``clients`` that may hold ``key``: all, where each is said to lack it."""
        if len(clients) > 1:
            clients = [item for item in clients if not item.status.lacks(key.digest)] or clients
            turn = next(self._turn) % len(clients)
            clients = [*clients[turn:], *clients[:turn]]
        wait_until = min(deadline, self._clock() + self._max_wait)
        return Route(key.digest, clients, deadline=deadline, wait_until=wait_until, clock=self._clock)


class Route:
    """One request's way from token to token; for one thread. ``clients``: in the order of taking turns."""

    __slots__ = ("_clients", "_clock", "_deadline", "_digest", "_failed", "_round", "_wait_until", "_waiting")

    def __init__(
        self,
        digest: bytes,
        clients: Sequence[TokenClient],
        *,
        deadline: float,
        wait_until: float,
        clock: Callable[[], float],
    ) -> None:
        self._digest = digest
        self._clients = clients
        self._deadline = deadline
        self._wait_until = wait_until
        self._clock = clock
        self._failed: dict[str, TokenError] = {}
        self._round = 0
        self._waiting: list[TokenClient] | None = None

    def step(self) -> Ask | Wait | TokenError:
        """What to do next, again and again the same until ``failed`` or ``waited`` is said; an error: give up."""
        if self._waiting is None:
            self._round += 1
            self._waiting = [item for item in self._worthwhile() if item.status.ready]
            if len(self._waiting) > 1:
                self._waiting.sort(key=lambda item: item.load)
        if self._waiting:
            now = self._clock()
            return Ask(self._waiting[0], now + (self._deadline - now) / len(self._waiting))
        soonest = None if self._round >= ROUNDS else self._soonest()
        return self._summary() if soonest is None else Wait(soonest, self._wait_until)

    def failed(self, client: TokenClient, error: TokenError) -> TokenError | None:
        """``client`` failed with ``error``; returns it where that ends the request."""
        if isinstance(error, KeyNotFound):
            client.status.note_lacking(self._digest)
        elif not isinstance(error, TokenUnavailable | TokenBusy | DeadlineExceeded | AlgorithmUnsupported):
            return error
        self._failed[client.config.name] = error
        if self._waiting and self._waiting[0] is client:
            del self._waiting[0]
        return None

    def waited(self, *, ready: bool) -> None:
        """The wait is over."""
        if ready:
            self._waiting = None
        else:
            self._round = ROUNDS

    def _worthwhile(self) -> Sequence[TokenClient]:
        """Not asked yet, or failed in a way that a new process may mend."""
        if not self._failed:
            return self._clients
        return [
            item for item in self._clients if isinstance(self._failed.get(item.config.name), TokenUnavailable | None)
        ]

    def _soonest(self) -> TokenClient | None:
        """The token that may be back first, if any may in time."""
        expected = [
            (when, position, item)
            for position, item in enumerate(self._worthwhile())
            if (when := item.status.expected_at()) is not None and when < self._wait_until
        ]
        return min(expected)[2] if expected else None

    def _summary(self) -> TokenError:
        """One error for all: a token that may hold the key and could not answer matters more than one without it."""
        errors = [self._failed.get(item.config.name) or item.status.unavailable() for item in self._clients]
        for kinds in ((TokenUnavailable, TokenBusy), DeadlineExceeded, AlgorithmUnsupported, KeyNotFound, TokenError):
            some = [error for error in errors if isinstance(error, kinds)]
            if some:
                soonest = min(some, key=lambda error: error.retry_after or 0.0)
                return soonest if len(self._clients) == 1 else replace(soonest, token="")
        raise LookupError("no candidates")
