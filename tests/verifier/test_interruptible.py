"""Reading that Ctrl-C ends, whenever it comes."""

from __future__ import annotations

import ctypes
import operator
import os
import select
import signal
import threading
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from verifier.interruptible import interruptible

TOO_LONG = 10.0
LIBC = ctypes.CDLL(None)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends. Bytes come in the end, so that a wait that nothing else ended is a failure and no hang."""
    reading, writing = os.pipe()
    rescue = threading.Timer(TOO_LONG, os.write, (writing, b"too late"))
    rescue.start()
    yield reading, writing
    rescue.cancel()
    rescue.join()
    os.close(reading)
    os.close(writing)


def signal_before(call: Any, *arguments: Any) -> Any:
    """A signal that is noted when a step of the program is over already, and the call has not begun."""
    noted = partial(LIBC.kill, os.getpid(), signal.SIGINT)
    return list(map(operator.call, (noted, partial(call, *arguments))))[-1]


@pytest.fixture
def at_the_last_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal comes just before each wait."""
    waits = SimpleNamespace(select=partial(signal_before, select.select))
    monkeypatch.setattr("verifier.interruptible.select", waits)


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """The signals that came; nothing is raised."""
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    yield seen
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("at_the_last_moment")
def test_a_signal_just_before_the_wait_ends_it(pipe: tuple[int, int]) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interruptible(pipe[0]) as source, pytest.raises(KeyboardInterrupt):
            source.read(1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert select.select([pipe[0]], [], [], 0)[0] == [], "the wait ended because bytes came"


def test_a_signal_that_is_handled_loses_nothing(pipe: tuple[int, int], handled: list[int]) -> None:
    with interruptible(pipe[0]) as source:
        os.kill(os.getpid(), signal.SIGINT)
        os.write(pipe[1], b"abc")
        assert source.read(2) == b"ab"
        os.kill(os.getpid(), signal.SIGINT)
        assert source.read(1) == b"c"
    assert handled == [signal.SIGINT] * 2


def test_bytes_that_come_in_pieces_are_one_chunk(pipe: tuple[int, int]) -> None:
    sender = threading.Thread(target=lambda: [os.write(pipe[1], bytes(8192)) for _ in range(100)])
    with interruptible(pipe[0]) as source:
        sender.start()
        assert source.read(100 * 8192) == bytes(100 * 8192)
    sender.join()


def test_the_end_is_what_came_and_then_nothing() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"abc")
    os.close(writing)
    with interruptible(reading) as source:
        assert (source.read(4), source.read(4)) == (b"abc", b"")
    os.close(reading)


def test_what_was_set_before_is_set_again(pipe: tuple[int, int]) -> None:
    with interruptible(pipe[0]):
        pass
    assert signal.set_wakeup_fd(-1) == -1
