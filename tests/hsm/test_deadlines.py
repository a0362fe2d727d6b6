"""Calls of an event loop that are late: each ends at its own deadline, by the one timer of all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from hsm.parent.calls import Call, Deadlines

SOON, LATER, NEVER = 0.05, 0.15, 1000.0

Ask = Callable[[Deadlines], Coroutine[Any, Any, None]]


def on_a_loop(ask: Ask) -> None:
    """What ``ask`` does with deadlines that began now; no timer is left of them."""

    async def asked() -> None:
        deadlines = Deadlines(asyncio.get_running_loop(), clock=time.monotonic)
        await ask(deadlines)
        deadlines.close()

    asyncio.run(asked())


def waiting(deadlines: Deadlines, seconds: float) -> tuple[Call, float]:
    """A call that is late after so many seconds, and when that is."""
    call, until = Call(deadlines), time.monotonic() + seconds
    call.wait_until(until)
    return call, until


@pytest.mark.parametrize("order", [(SOON, LATER, NEVER), (NEVER, LATER, SOON), (LATER, SOON, NEVER)])
def test_each_ends_at_its_own_deadline_whichever_came_first(order: tuple[float, ...]) -> None:
    async def ask(deadlines: Deadlines) -> None:
        calls = {seconds: waiting(deadlines, seconds) for seconds in order}
        for seconds in (SOON, LATER):
            call, until = calls[seconds]
            await asyncio.wait_for(call.done, 10)
            assert time.monotonic() >= until
        assert not calls[NEVER][0].done.done()

    on_a_loop(ask)


def test_one_that_is_over_keeps_no_other_from_its_deadline() -> None:
    async def ask(deadlines: Deadlines) -> None:
        over, _ = waiting(deadlines, SOON)
        call, until = waiting(deadlines, LATER)
        over.close()
        await asyncio.wait_for(call.done, 10)
        assert time.monotonic() >= until

    on_a_loop(ask)


def test_many_have_one_timer() -> None:
    async def ask(deadlines: Deadlines) -> None:
        before = timers()
        calls = [waiting(deadlines, NEVER + number)[0] for number in range(100)]
        assert timers() == before + 1
        for call in calls:
            call.close()
        assert not deadlines._open
        deadlines.close()
        assert timers() == before

    on_a_loop(ask)


def timers() -> int:
    """How many are set on the running loop."""
    loop: Any = asyncio.get_running_loop()
    return sum(not timer.cancelled() for timer in loop._scheduled)
