"""Processor time of a worker's event loop by stage, for next to no processor time of its own.

Asking for the processor time of a thread is a system call, dearer than some of what is measured. So the first
``FIRST`` blocks of a stage are measured, and then one in ``EVERY``, which stands for those before it. What is measured
awaits nothing; a coroutine is measured step by step (``Stopwatch.over``), without what runs while it waits.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Any, Generic, TypeVar

# A prime, so that what comes in turns is not measured at the same place each time.
EVERY = 13
FIRST = 50
CALIBRATIONS = 64

Result = TypeVar("Result")
Clock = Callable[[], float]


class Stopwatch:
    """The blocks of one stage, of one thread; none of them within another. ``own``: seconds of looking at the clock.

    ``seconds``: the processor time of all blocks, as far as those that were measured tell it.
    """

    __slots__ = ("_begun", "_clock", "_first", "_own", "_unmeasured", "seconds")

    def __init__(self, clock: Clock, *, own: float = 0.0) -> None:
        self._clock = clock
        self._own = own
        self._begun: float | None = None
        self._first = FIRST
        self._unmeasured = 0
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._unmeasured += 1
        if self._unmeasured == EVERY or self._first:
            self._begun = self._clock()

    def __exit__(self, *_: object) -> None:
        if self._begun is not None:
            self.seconds += max(0.0, self._clock() - self._begun - self._own) * self._unmeasured
            self._first = max(0, self._first - 1)
            self._unmeasured = 0
            self._begun = None

    def over(self, coroutine: Coroutine[Any, Any, Result]) -> Awaitable[Result]:
        """The coroutine, to be awaited once; each of its steps is a block."""
        return _Stepped(self, coroutine)


class _Stepped(Generic[Result]):
    """A coroutine whose steps are blocks of a stopwatch (PEP 380 says what ``yield from`` does, and so this)."""

    __slots__ = ("_coroutine", "_watch")

    def __init__(self, watch: Stopwatch, coroutine: Coroutine[Any, Any, Result]) -> None:
        self._watch = watch
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Result]:
        thrown: BaseException | None = None
        answer: Any = None
        while True:
            try:
                with self._watch:
                    waiting = self._coroutine.send(answer) if thrown is None else self._coroutine.throw(thrown)
            except StopIteration as end:
                result: Result = end.value
                return result
            thrown = answer = None
            try:
                answer = yield waiting
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  (a cancellation, say: the coroutine's own affair)
                thrown = error


class Stages:
    """The stages of a signature, as one event loop goes through them; to be made on its thread."""

    def __init__(self, clock: Clock = time.thread_time) -> None:
        self._clock = clock
        own = min(_look(clock) for _ in range(CALIBRATIONS))
        self.parse = Stopwatch(clock, own=own)
        self.decide = Stopwatch(clock, own=own)
        self.token = Stopwatch(clock, own=own)
        self.verify = Stopwatch(clock, own=own)
        self.record = Stopwatch(clock, own=own)

    def seconds(self) -> Mapping[str, float]:
        """Processor seconds so far, by stage; ``front`` is what the thread spent on all the rest."""
        found = {
            "parse": self.parse.seconds,
            "decide": self.decide.seconds,
            "token": self.token.seconds,
            "verify": self.verify.seconds,
            "record": self.record.seconds,
        }
        return {"front": max(0.0, self._clock() - sum(found.values())), **found}


def _look(clock: Clock) -> float:
    begun = clock()
    return clock() - begun
