"""Many callers at once: threads of one process, and threads of several processes, let go at the same moment."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from typing import ParamSpec, TypeVar

RENDEZVOUS_SECONDS = 60.0
PROCESSES = 2

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_start: Barrier | None = None


def _remember(start: Barrier) -> None:
    global _start  # noqa: PLW0603  (what a process is given when it is made)
    _start = start


def in_threads(count: int, work: Callable[[int], Result]) -> list[Result]:
    """``work(0)`` to ``work(count - 1)``, each in a thread, let go together; results in order."""
    gate = threading.Barrier(count)

    def one(number: int) -> Result:
        gate.wait(RENDEZVOUS_SECONDS)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


class Crowd:
    """Processes that live as long as the tests do: starting one costs more than most tests."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def everywhere(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **options: Arguments.kwargs
    ) -> list[Result]:
        """The results of ``work`` from every process, let go together. ``work`` is a function of a module."""
        return [future.result() for future in self.begin(work, *arguments, **options)]

    def begin(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **options: Arguments.kwargs
    ) -> list[Future[Result]]:
        """The same without waiting for it."""
        return [self._pool.submit(_together, work, arguments, options) for _ in range(PROCESSES)]


def _together(work: Callable[..., Result], arguments: tuple[object, ...], options: dict[str, object]) -> Result:
    if _start is None:
        raise RuntimeError("not one of the crowd's processes")
    _start.wait(RENDEZVOUS_SECONDS)
    return work(*arguments, **options)


@contextmanager
def gathered() -> Iterator[Crowd]:
    """A crowd; its processes end with the block."""
    # Not forked: databases and locks must not be carried over.
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=_remember, initargs=(barrier,)) as pool:
        yield Crowd(pool)
