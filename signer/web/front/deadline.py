"""The one deadline of a request, over all that it waits for: credentials, token, recorder, database, threads.

While a body comes the deadline rests: a client has rules of its own for how long it may take (silence, a least rate),
and what is worked on meanwhile goes in steps that are bounded each (``Rooms``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from signer.errors import ServiceBusy

Result = TypeVar("Result")


class Deadline:
    """``seconds`` from the start of ``within`` on, those that it rests not counted. For one request."""

    __slots__ = ("_left", "_limit", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._limit: asyncio.Timeout | None = None
        self._left: float | None = None

    async def within(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """What the coroutine returns or raises; where that is late it is broken off, and it is ``ServiceBusy``."""
        limit = self._limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                return await coroutine
        except TimeoutError:
            if limit.expired():
                raise ServiceBusy from None
            raise  # the coroutine's own

    def begin_anew(self) -> None:
        """All of the time is there again, for the next of several pieces of work that each have it."""
        if self._limit is not None and self._left is None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._seconds)

    def rest(self) -> None:
        """The time does not run until ``go_on``."""
        when = self._limit.when() if self._limit is not None else None
        if self._limit is not None and when is not None:
            self._left = when - asyncio.get_running_loop().time()
            self._limit.reschedule(None)

    def go_on(self) -> None:
        """The time runs again: what was left of it."""
        if self._limit is not None and self._left is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._left)
            self._left = None
