"""The one deadline of a request, over all that it waits for: credentials, token, recorder, database, threads.

1. While a body comes the deadline rests: a client has rules of its own for how long it may take (silence, a least
   rate), and what is worked on meanwhile goes in steps that are bounded each (``Rooms``).
2. All requests of an event loop share one timer, that of the next deadline at which one of them was once due: nearly
   all have their answers long before it, and then cost it nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from signer.errors import ServiceBusy

Result = TypeVar("Result")


class Deadlines:
    """``seconds`` for each request. For one event loop at a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        # No deadline that runs is due before this; of what loop, since another one knows nothing of the timer.
        self._look_at = float("inf")
        self._loop: asyncio.AbstractEventLoop | None = None

    def one(self) -> Deadline:
        """That of one request, which begins ``within``."""
        return Deadline(self, self._seconds)

    def run(self, deadline: Deadline, seconds: float) -> None:
        """It is due in so many seconds."""
        loop = asyncio.get_running_loop()
        when = self._running[deadline] = loop.time() + seconds
        if when < self._look_at or loop is not self._loop:
            self._look(loop, when)

    def stop(self, deadline: Deadline) -> float | None:
        """It does not run any more: what was left of it, in seconds; None where it did not run."""
        when = self._running.pop(deadline, None)
        return None if when is None else when - asyncio.get_running_loop().time()

    def _look(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._loop, self._look_at = loop, when
        self._timer = loop.call_at(when, self._end_what_is_due, loop)

    def _end_what_is_due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, self._look_at = None, float("inf")
        now = loop.time()
        for deadline in [each for each, when in self._running.items() if when <= now]:
            del self._running[deadline]
            deadline.end()
        if self._running:
            self._look(loop, min(self._running.values()))


class Deadline:
    """``seconds`` from the start of ``within`` on, those that it rests not counted. For one request."""

    __slots__ = ("_among", "_ended", "_left", "_resting", "_seconds", "_task")

    def __init__(self, among: Deadlines, seconds: float) -> None:
        self._among = among
        self._seconds = self._left = seconds
        self._task: asyncio.Task[Any] | None = None
        self._ended = self._resting = False

    async def within(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """What the coroutine returns or raises; where that is late it is broken off, and it is ``ServiceBusy``."""
        task = self._task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline is for what a task does")
        before = task.cancelling()
        self._among.run(self, self._left)
        try:
            return await coroutine
        except asyncio.CancelledError:
            # Of the two who may have broken it off, the one who cancelled the task from outside comes first.
            if self._ended and task.cancelling() - 1 <= before:
                raise ServiceBusy from None
            raise
        finally:
            self._among.stop(self)
            self._task = None
            if self._ended:
                task.uncancel()

    def begin_anew(self) -> None:
        """All of the time is there again, for the next of several pieces of work that each have it."""
        if self._among.stop(self) is not None:
            self._among.run(self, self._seconds)

    def rest(self) -> None:
        """The time does not run until ``go_on``."""
        left = self._among.stop(self)
        if left is not None:
            self._left, self._resting = left, True

    def go_on(self) -> None:
        """The time runs again: what was left of it."""
        if self._resting and self._task is not None:
            self._resting = False
            self._among.run(self, self._left)

    def end(self) -> None:
        """The time is over: what is waited for is broken off."""
        if self._task is not None:
            self._ended = True
            self._task.cancel()
