"""Threads, few and for one purpose each, so that none waits for what another is slow at.

``requests``: what asks the database or a token for minutes at most, in Flask.
``uploads``: hashing, inflating and disks, in steps of a fraction of a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from signer.errors import ServiceBusy

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
# How many calls may wait for each thread of a room.
WAITING_PER_THREAD = 64


class Room:
    """Some threads. Calls beyond what may wait for them, or that are not done in time, are ``ServiceBusy``."""

    def __init__(self, name: str, *, threads: int, timeout: float) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
        self._timeout = timeout
        self._most = threads * (1 + WAITING_PER_THREAD)
        self._calls = 0

    async def run(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """The result of the call, made in a thread.

        A call that is late is not broken off: only its caller stops waiting. One that has not begun never will.
        """
        if self._calls >= self._most:
            raise ServiceBusy
        self._calls += 1
        future = self._pool.submit(call, *arguments)
        future.add_done_callback(self._settle(asyncio.get_running_loop()))
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            if future.done() and not future.cancelled():
                raise  # the call's own
            raise ServiceBusy from None

    def submit(self, call: Callable[[], object]) -> None:
        """Have something done; nobody waits for it."""
        self._pool.submit(call)

    def close(self) -> None:
        """Begin nothing more; returns when what has begun is done."""
        self._pool.shutdown(cancel_futures=True)

    def _settle(self, loop: asyncio.AbstractEventLoop) -> Callable[[object], None]:
        def settled(_future: object) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._one_less)

        return settled

    def _one_less(self) -> None:
        self._calls -= 1


class Rooms:
    """The threads of a worker."""

    def __init__(self, *, threads: int, timeout: float) -> None:
        self.requests = Room("requests", threads=threads, timeout=timeout)
        self.uploads = Room("uploads", threads=threads, timeout=timeout)

    def close(self) -> None:
        """Wait for what has begun."""
        for room in (self.requests, self.uploads):
            room.close()
