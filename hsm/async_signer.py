"""Signatures for an event loop: awaited, verified on the loop, with no thread between a request and its answer.

It shares the tokens, their processes and their supervisors with the ``TokenPool`` that it is made from, and behaves as
that does: requests are spread, fail over, and end at their deadlines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from hsm.errors import ConfigurationError, TokenError, TokenUnavailable
from hsm.parent.calls import Call, Deadlines
from hsm.parent.client import TokenClient
from hsm.parent.errands import Errand
from hsm.parent.jobs import Job, unfinished
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
        self._deadlines: Deadlines | None = None
        self._links: dict[str, LoopLink] | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Join ``loop``; the pool was started before. Call it on the loop's thread."""
        if self._links is not None:
            raise ConfigurationError(setting="loop", reason="was given before")
        self._deadlines = Deadlines(loop, clock=self._pool.clock)
        self._links = {
            client.config.name: LoopLink(client, self._check, loop, clock=self._pool.clock, watches=self._watches)
            for client in self._pool.clients
        }

    def close(self) -> None:
        """Requests under way end as unavailable. The pool stays open."""
        links, self._links = self._links, None
        for link in (links or {}).values():
            link.close()
        if self._deadlines is not None:
            self._deadlines.close()

    async def sign(
        self, key: PinnedKey, message: bytes, *, tokens: Sequence[str] | None = None, timeout: float
    ) -> bytes:
        """A verified signature, as ``TokenPool.sign`` gives it; raises as it does. ``timeout``: seconds in all."""
        request = SignRequest(key, message, None if tokens is None else tuple(tokens))
        (outcome,) = await self.sign_each([request], timeout=timeout)
        if isinstance(outcome, TokenError):
            raise outcome
        return outcome

    async def sign_each(self, requests: Sequence[SignRequest], *, timeout: float) -> list[bytes | TokenError]:
        """An outcome for each request, in order, as ``TokenPool.sign_many`` gives it. ``timeout``: seconds in all.

        They reach a token together and wake their caller once.
        """
        deadline = self._pool.clock() + timeout
        with self._watches[0]:
            asked = [self._pool.job(request, deadline) for request in requests]
        jobs = [job for job in asked if isinstance(job, Job)]
        while jobs:
            await self._tried(jobs)
            jobs = unfinished(jobs)
        return [_outcome(job) for job in asked]

    def ask_each(
        self,
        requests: Sequence[SignRequest],
        *,
        timeout: float,
        wanted: Callable[[int], bool],
        settled: Callable[[int, bytes | Exception], None],
    ) -> None:
        """As ``sign_each``, without waiting: ``settled`` is told each number and outcome, as soon as there is one.

        One that is slow holds up no other. What nobody ``wanted`` any more when it was looked at may end untold.
        Neither of the two may raise.
        """
        if self._deadlines is None:
            raise TokenUnavailable(token="", reason="closed")
        deadline = self._pool.clock() + timeout
        with self._watches[0]:
            asked = [self._pool.job(request, deadline) for request in requests]
            numbers = {job: number for number, job in enumerate(asked) if isinstance(job, Job)}
            Errand(self._deadlines, self, numbers, wanted=wanted, settled=settled).begin()
        for number, job in enumerate(asked):
            if isinstance(job, TokenError):
                settled(number, job)

    @property
    def closed(self) -> bool:
        """Whether no token can be reached from here any more."""
        return self._links is None

    async def finish(self, job: Job) -> None:
        """Bring ``job`` to its outcome, from token to token."""
        while job.outcome is None:
            await self._tried([job])

    def link(self, client: TokenClient) -> LoopLink | None:
        """The way to the token; None where this signer was closed."""
        return None if self._links is None else self._links[client.config.name]

    async def _tried(self, jobs: Sequence[Job]) -> None:
        """Ask a token for each of them, and wait for what comes of it; or for a token that is about to be back."""
        if self._deadlines is None:
            raise TokenUnavailable(token="", reason="closed")
        call, waits, until = Call(self._deadlines), list[tuple[Job, Wait]](), 0.0
        with self._watches[0]:
            for job in jobs:
                match job.route.step():
                    case Ask(client, last):
                        self._submit(job, client, last, call)
                        until = max(until, last)
                    case Wait() as wait:
                        waits.append((job, wait))
                    case TokenError() as error:
                        job.outcome = error
        try:
            if call.waits:
                call.wait_until(until)
                await call.done
            elif waits:
                await self._waited(waits)
        finally:
            call.close()

    async def _waited(self, waits: Sequence[tuple[Job, Wait]]) -> None:
        """All that is left waits for tokens to come back: for one of them now, and all go on that waited for it."""
        _, first = min(waits, key=lambda item: item[1].until)
        link = self.link(first.client)
        ready = link is not None and await link.wait_ready(first.until)
        for job, wait in waits:
            if wait.client is first.client:
                job.route.waited(ready=ready)

    def _submit(self, job: Job, client: TokenClient, until: float, call: Call) -> None:
        link = self.link(client)
        if link is None:
            job.outcome = TokenUnavailable(token=client.config.name, reason="closed")
        else:
            link.submit(job, until, call)


def _outcome(asked: Job | TokenError) -> bytes | TokenError:
    if isinstance(asked, TokenError):
        return asked
    assert asked.outcome is not None  # noqa: S101  (nobody goes on before there is one)
    return asked.outcome
