"""One deadline over all that a request waits for; while a body comes it rests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass

import pytest

from signer.application import BodyLimit
from signer.errors import BodyInterrupted, KeyNotFound, ServiceBusy
from signer.web.front.deadline import Deadline
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
    row, deadline = ROWS[sentence], Deadline(SECONDS)

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
        asyncio.run(Deadline(SECONDS).within(served()))
    assert done == ["in order"]


@pytest.mark.parametrize("error", [KeyNotFound(key="k"), TimeoutError(), BodyInterrupted(received=1, expected=2)])
def test_an_error_of_its_own_stays_what_it_is(error: Exception) -> None:
    async def served() -> None:
        raise error

    with pytest.raises(type(error)) as found:
        asyncio.run(Deadline(60.0).within(served()))
    assert found.value is error


def test_a_client_that_goes_is_no_deadline() -> None:
    async def served() -> None:
        await asyncio.sleep(60)

    async def gone() -> None:
        task = asyncio.create_task(Deadline(60.0).within(served()))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(gone())


@pytest.mark.parametrize(
    "parts", [((0.0, b"a"),), ((0.0, b"x" * 200),)], ids=["a body that breaks off", "a body that is too large"]
)
def test_after_a_body_that_fails_the_time_runs_again(parts: tuple[tuple[float, bytes], ...]) -> None:
    deadline = Deadline(SECONDS)

    async def served() -> None:
        chunks: AsyncIterator[bytes] = body_of(*parts, deadline=deadline, ends=False).chunks(LIMIT)
        with pytest.raises(Exception):  # noqa: B017, PT011  (which one is said elsewhere)
            [chunk async for chunk in chunks]
        await asyncio.sleep(60)

    with pytest.raises(ServiceBusy):
        asyncio.run(deadline.within(served()))
