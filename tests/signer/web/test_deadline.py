"""One deadline over all that a request waits for; while a body comes it rests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass

import pytest

from signer.application import BodyLimit
from signer.errors import BodyInterrupted, KeyNotFound, ServiceBusy
from signer.web.front.deadline import Deadline, Deadlines
from signer.web.front.messages import Body

SECONDS = 0.3
# What a busy machine may add.
SLACK = 5.0
LIMIT = BodyLimit(octets=100, setting="limits.json_bytes")

Steps = Callable[[Body], Coroutine[None, None, object]]


def body_of(*parts: tuple[float, bytes], deadline: Deadline, ends: bool = True) -> Body:
    """A body whose parts come after so many seconds each; ``ends``: and then the client is not gone."""
    left = list(parts)

    async def receive() -> dict[str, object]:
        if not left:
            return {"type": "http.disconnect"}
        wait, part = left.pop(0)
        await asyncio.sleep(wait)
        return {"type": "http.request", "body": part, "more_body": bool(left) or not ends}

    return Body(receive, length=None, deadline=deadline)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a request waits for, one after the other: ``before`` its body, its body, and ``after`` it."""

    before: tuple[float, ...] = ()
    parts: tuple[tuple[float, bytes], ...] = ((0.0, b"a"),)
    after: tuple[float, ...] = ()
    in_time: bool


ROWS = {
    "one wait that is too long": Row(after=(9 * SECONDS,), in_time=False),
    "waits that are too long together, none of them by itself": Row(after=(SECONDS * 0.4,) * 8, in_time=False),
    "before the body and after it": Row(before=(SECONDS * 0.6,), after=(SECONDS * 0.6, 9 * SECONDS), in_time=False),
    "before the body alone": Row(before=(9 * SECONDS,), in_time=False),
    "a wait after a body that took long": Row(
        parts=((SECONDS * 1.5, b"a"), (SECONDS, b"b")), after=(9 * SECONDS,), in_time=False
    ),
    "no wait": Row(in_time=True),
    "a body that takes long": Row(parts=((SECONDS * 1.5, b"a"), (SECONDS * 1.5, b"b")), in_time=True),
    "a body that takes long, and nothing after it": Row(parts=((0.0, b""), (SECONDS * 3, b"b")), in_time=True),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_the_total_counts(sentence: str) -> None:
    row, deadline = ROWS[sentence], Deadlines(SECONDS).one()

    async def served() -> str:
        body = body_of(*row.parts, deadline=deadline)
        for wait in row.before:
            await asyncio.sleep(wait)
        await body.whole(LIMIT)
        for wait in row.after:
            await asyncio.sleep(wait)
        return "served"

    begun = time.monotonic()
    if row.in_time:
        assert asyncio.run(deadline.within(served())) == "served"
    else:
        with pytest.raises(ServiceBusy):
            asyncio.run(deadline.within(served()))
    received = sum(wait for wait, _ in row.parts)
    assert time.monotonic() - begun < SECONDS + received + SLACK


def test_what_is_late_is_broken_off_and_puts_things_in_order_first() -> None:
    done: list[str] = []

    async def served() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            done.append("in order")

    with pytest.raises(ServiceBusy):
        asyncio.run(Deadlines(SECONDS).one().within(served()))
    assert done == ["in order"]


@pytest.mark.parametrize("error", [KeyNotFound(key="k"), TimeoutError(), BodyInterrupted(received=1, expected=2)])
def test_an_error_of_its_own_stays_what_it_is(error: Exception) -> None:
    async def served() -> None:
        raise error

    with pytest.raises(type(error)) as found:
        asyncio.run(Deadlines(60.0).one().within(served()))
    assert found.value is error


def test_a_client_that_goes_is_no_deadline() -> None:
    async def served() -> None:
        await asyncio.sleep(60)

    async def gone() -> None:
        task = asyncio.create_task(Deadlines(60.0).one().within(served()))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(gone())


@pytest.mark.parametrize(
    "parts", [((0.0, b"a"),), ((0.0, b"x" * 200),)], ids=["a body that breaks off", "a body that is too large"]
)
def test_after_a_body_that_fails_the_time_runs_again(parts: tuple[tuple[float, bytes], ...]) -> None:
    deadline = Deadlines(SECONDS).one()

    async def served() -> None:
        chunks: AsyncIterator[bytes] = body_of(*parts, deadline=deadline, ends=False).chunks(LIMIT)
        with pytest.raises(Exception):  # noqa: B017, PT011  (which one is said elsewhere)
            [chunk async for chunk in chunks]
        await asyncio.sleep(60)

    with pytest.raises(ServiceBusy):
        asyncio.run(deadline.within(served()))


def test_many_share_one_timer_and_each_ends_at_its_own_time() -> None:
    deadlines, timers, ended = Deadlines(SECONDS), [], []

    async def request(number: int) -> None:
        await asyncio.sleep(0.02 * number)
        try:
            # The even ones are answered at once, the last one waits for its client meanwhile.
            await deadlines.one().within(asyncio.sleep(0 if number % 2 == 0 else 60))
        except ServiceBusy:
            ended.append((number, time.monotonic() - begun - 0.02 * number))

    async def all_of_them() -> None:
        loop = asyncio.get_running_loop()
        at, timer = loop.call_at, deadlines._end_what_is_due
        loop.call_at = lambda when, call, *given, **more: (  # type: ignore[method-assign]
            timers.append(when) if call == timer else None,
            at(when, call, *given, **more),
        )[1]
        await asyncio.gather(*(request(number) for number in range(10)))

    begun = time.monotonic()
    asyncio.run(all_of_them())
    assert [number for number, _ in ended] == [1, 3, 5, 7, 9]
    assert all(SECONDS * 0.9 <= took < SECONDS + SLACK for _, took in ended)
    assert len(timers) <= 1 + len(ended), "one at a time, and none for those that were answered"


def test_one_that_goes_on_with_little_left_ends_before_those_that_began_after_it() -> None:
    deadlines, ended = Deadlines(SECONDS), []

    async def rested() -> None:
        own = deadlines.one()

        async def served() -> None:
            await asyncio.sleep(SECONDS * 0.8)
            own.rest()
            own.rest()
            await asyncio.sleep(SECONDS * 0.5)
            own.go_on()
            own.go_on()
            await asyncio.sleep(60)

        with pytest.raises(ServiceBusy):
            await own.within(served())
        ended.append("rested")
        assert time.monotonic() - begun >= SECONDS * 1.4, "what was left when it rested first"

    async def late() -> None:
        await asyncio.sleep(SECONDS * 1.25)
        with pytest.raises(ServiceBusy):
            await deadlines.one().within(asyncio.sleep(60))
        ended.append("late")

    async def both() -> None:
        await asyncio.gather(rested(), late())

    begun = time.monotonic()
    asyncio.run(both())
    assert ended == ["rested", "late"]
    assert time.monotonic() - begun >= SECONDS * 2.2


def test_the_next_loop_has_a_timer_of_its_own() -> None:
    deadlines = Deadlines(SECONDS)
    asyncio.run(deadlines.one().within(asyncio.sleep(0)))
    with pytest.raises(ServiceBusy):
        asyncio.run(deadlines.one().within(asyncio.sleep(60)))


def test_a_task_that_was_broken_off_by_its_deadline_can_wait_again() -> None:
    async def twice() -> str:
        with pytest.raises(ServiceBusy):
            await Deadlines(0.01).one().within(asyncio.sleep(60))
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0.01)
        return "served"

    assert asyncio.run(twice()) == "served"


@pytest.mark.parametrize("anew", [True, False], ids=["each has all of the time", "all have it together"])
def test_several_pieces_of_work(anew: bool) -> None:
    deadline = Deadlines(SECONDS).one()

    async def served() -> str:
        for _ in range(4):
            await asyncio.sleep(SECONDS * 0.6)
            if anew:
                deadline.begin_anew()
        return "served"

    if anew:
        assert asyncio.run(deadline.within(served())) == "served"
    else:
        with pytest.raises(ServiceBusy):
            asyncio.run(deadline.within(served()))


def test_what_rests_does_not_begin_anew() -> None:
    deadline = Deadlines(SECONDS).one()

    async def served() -> str:
        deadline.rest()
        deadline.begin_anew()
        await asyncio.sleep(SECONDS * 1.5)
        deadline.go_on()
        return "served"

    assert asyncio.run(deadline.within(served())) == "served"
