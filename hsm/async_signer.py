"""Signatures for an event loop: awaited, verified on the loop, with no thread between a request and its answer.

It shares the tokens, their processes and their supervisors with the ``TokenPool`` that it is made from, and behaves as
that does: requests are spread, fail over, and end at their deadlines.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from hsm.errors import ConfigurationError, TokenError, TokenUnavailable
from hsm.parent.loop_link import LoopLink
from hsm.parent.routing import Ask, Wait
from hsm.parent.signature_check import SignatureCheck
from hsm.pool import TokenPool
from hsm.types import PinnedKey, SignRequest

if TYPE_CHECKING:
    import asyncio


UNWATCHED = nullcontext()


class AsyncSigner:
    """One for a pool, on one event loop. Everything but making it belongs to that loop's thread."""

    def __init__(
        self,
        pool: TokenPool,
        *,
        exchanging: AbstractContextManager[object] = UNWATCHED,
        verifying: AbstractContextManager[object] = UNWATCHED,
    ) -> None:
        """``exchanging`` is entered again and again around work for messages, ``verifying`` around checks."""
        self._pool = pool
        self._watches = exchanging, verifying
        self._check = SignatureCheck()
        self._links: dict[str, LoopLink] | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Join ``loop``; the pool was started before. Call it on the loop's thread."""
        if self._links is not None:
            raise ConfigurationError(setting="loop", reason="was given before")
        self._links = {
            client.config.name: LoopLink(client, self._check, loop, clock=self._pool.clock, watches=self._watches)
            for client in self._pool.clients
        }

    def close(self) -> None:
        """Requests under way end as unavailable. The pool stays open."""
        links, self._links = self._links, None
        for link in (links or {}).values():
            link.close()

    async def sign(
        self, key: PinnedKey, message: bytes, *, tokens: Sequence[str] | None = None, timeout: float
    ) -> bytes:
        """A verified signature, as ``TokenPool.sign`` gives it; raises as it does. ``timeout``: seconds in all."""
        request = SignRequest(key, message, None if tokens is None else tuple(tokens))
        with self._watches[0]:
            job = self._pool.job(request, self._pool.clock() + timeout)
        if isinstance(job, TokenError):
            raise job
        while job.outcome is None:
            match job.route.step():
                case Ask(client, until):
                    with self._watches[0]:
                        done = self._link(client.config.name).submit(job, until)
                    await done
                case Wait(client, until):
                    job.route.waited(ready=await self._link(client.config.name).wait_ready(until))
                case TokenError() as error:
                    job.outcome = error
        if isinstance(job.outcome, TokenError):
            raise job.outcome
        return job.outcome

    def _link(self, token: str) -> LoopLink:
        if self._links is None:
            raise TokenUnavailable(token=token, reason="closed")
        return self._links[token]
