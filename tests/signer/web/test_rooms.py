"""Threads for what waits: bounded, and what is late is refused in time."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from signer.errors import KeyNotFound, ServiceBusy
from signer.web.front import rooms
from signer.web.front.rooms import Room


def test_a_call_gives_its_result_or_its_error() -> None:
    async def calls() -> None:
        room = Room("test", threads=1, timeout=10.0)
        assert await room.run(pow, 2, 5) == 32
        with pytest.raises(KeyNotFound):
            await room.run(_refuse)
        with pytest.raises(TimeoutError):
            await room.run(_time_out)
        room.close()

    asyncio.run(calls())


def _refuse() -> None:
    raise KeyNotFound(key="k")


def _time_out() -> None:
    raise TimeoutError


def test_a_call_that_is_late_is_refused_and_not_broken_off() -> None:
    go, done = threading.Event(), threading.Event()

    def slow() -> None:
        go.wait(20)
        done.set()

    async def calls() -> None:
        room = Room("test", threads=1, timeout=0.1)
        begun = time.monotonic()
        with pytest.raises(ServiceBusy):
            await room.run(slow)
        assert time.monotonic() - begun < 5.0
        go.set()
        assert await asyncio.to_thread(done.wait, 20)
        room.close()

    asyncio.run(calls())


def test_a_call_that_never_began_never_will(monkeypatch: pytest.MonkeyPatch) -> None:
    go, made = threading.Event(), []

    async def calls() -> None:
        room = Room("test", threads=1, timeout=0.1)
        first = asyncio.create_task(room.run(go.wait, 20))
        await asyncio.sleep(0)
        with pytest.raises(ServiceBusy):
            await room.run(made.append, 1)
        with pytest.raises(ServiceBusy):
            await first
        go.set()
        room.close()

    asyncio.run(calls())
    assert made == []


def test_more_than_may_wait_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "WAITING_PER_THREAD", 1)
    go = threading.Event()

    async def calls() -> None:
        room = Room("test", threads=1, timeout=20.0)
        waiting = [asyncio.create_task(room.run(go.wait, 20)) for _ in range(2)]
        await asyncio.sleep(0)
        begun = time.monotonic()
        with pytest.raises(ServiceBusy):
            await room.run(pow, 2, 5)
        assert time.monotonic() - begun < 5.0
        go.set()
        await asyncio.gather(*waiting)
        assert await room.run(pow, 2, 5) == 32
        room.close()

    asyncio.run(calls())
