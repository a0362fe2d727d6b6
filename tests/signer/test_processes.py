"""Processor time of processes that come and go under one name; what a process that serves looks through for garbage."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from signer.processes import ProcessorTimes
from signer.recorder import main as recorder
from signer.web import worker as web_worker

BUSY = "import os, sys\nwhile sum(os.times()[:2]) < 0.05: pass\nprint(flush=True)\nsys.stdin.read()"
LEAST = 0.04


@contextmanager
def busy() -> Iterator[int]:
    """A process that has taken some time, and takes no more."""
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


def test_what_one_took_stays_counted_when_the_next_one_has_its_name() -> None:
    times = ProcessorTimes()
    assert times.seconds("token", None) == 0.0
    with busy() as first:
        one = times.seconds("token", first)
        assert one >= LEAST
    assert times.seconds("token", first) == one
    assert times.seconds("token", None) == one
    with busy() as second:
        assert times.seconds("token", second) >= one + LEAST
        assert times.total({"token": second, "another": None}) >= one + LEAST


def test_it_never_falls_and_nobody_has_taken_nothing() -> None:
    times, until = ProcessorTimes(), time.monotonic() + 0.2
    last = 0.0
    with busy() as pid:
        while time.monotonic() < until:
            now = times.seconds("token", pid)
            assert now >= last
            last = now
    assert times.seconds("nobody", 1 << 30) == 0.0


SEARCHED = """
import gc
from signer.processes import SEARCHES, leave_start_up_out_of_searches
class Thing: pass
kept = [[] for _ in range(1000)]
leave_start_up_out_of_searches()
assert gc.get_freeze_count() > 1000
assert not any(each is kept for each in gc.get_objects())
assert gc.get_threshold() == SEARCHES
gone = Thing()
gone.itself = gone
del gone
assert gc.collect() > 0, "what came afterwards is found"
"""


def test_what_is_there_at_the_start_is_not_looked_through_again_and_what_comes_afterwards_is() -> None:
    done = subprocess.run([sys.executable, "-c", SEARCHED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_worker_and_the_recorder_do_so_when_they_have_what_they_serve_with(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    for module in (web_worker, recorder):
        monkeypatch.setattr(module, "leave_start_up_out_of_searches", lambda: steps.append("left out"))

    async def startup() -> None:
        steps.append("started")

    async def shutdown() -> None:
        steps.append("ended")

    worker: Any = web_worker.Worker.__new__(web_worker.Worker)
    worker.loop = SimpleNamespace(set_exception_handler=lambda _: None)
    worker.asgi = SimpleNamespace(startup=startup, shutdown=shutdown, observe=lambda _: None)
    worker.app = SimpleNamespace(shares=SimpleNamespace(set=lambda *_: None))
    worker.cfg = SimpleNamespace(graceful_timeout=0)
    worker.register = SimpleNamespace(open=0)
    worker.sockets, worker.alive, worker.seat, worker._quick_shutdown = [], False, 0, True
    asyncio.run(worker._serve())
    assert steps == ["started", "left out", "ended"]

    class Server:
        def __init__(self, **_: object) -> None:
            steps.append("made")

        def run(self) -> bool:
            steps.append("run")
            return True

    steps.clear()
    monkeypatch.setattr(recorder, "RecorderServer", Server)
    monkeypatch.setattr(recorder, "_opened", lambda *_: recorder._Parts(None, recorder.Release(None)))
    database: Any = SimpleNamespace(write_ahead_log=lambda: None)
    setup: Any = SimpleNamespace(settings=None)
    assert recorder._serve(setup, database, SimpleNamespace(), 0)  # type: ignore[arg-type]
    assert steps == ["made", "left out", "run"]
