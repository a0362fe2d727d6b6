"""Processor time of processes that come and go under one name."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from signer.processes import ProcessorTimes

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
