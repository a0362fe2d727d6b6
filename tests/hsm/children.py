"""Looks at processes from outside, and waits for their ends without polling."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from hsm import TokenConfig, TokenPool

END_SECONDS = 30.0
only_root_sees = pytest.mark.skipif(os.geteuid() != 0, reason="only root looks into a process that is not dumpable")

SERVER = """
import sys, time
from pathlib import Path
from hsm import PinSource, TokenConfig, TokenPool, TokenUri
module, serial, conf, pin, locks, control, log, start_timeout, real = sys.argv[1:]
config = TokenConfig(
    name="demo",
    uri=TokenUri(token="demo", serial=serial, module_path=Path(module)),
    pin=PinSource(file=Path(pin)),
    environment={"SOFTHSM2_CONF": conf, "SHIM_CONTROL": control, "SHIM_LOG": log, "SHIM_MODULE": real},
    lock_directory=Path(locks),
    start_timeout=float(start_timeout),
)
pool = TokenPool([config])
pool.start()

print("started", flush=True)
print("ready" if pool.wait_ready(30) else "not ready", pool.health()[0].pid, flush=True)
sys.stdin.read()
pool.close()
"""


@contextmanager
def server(config: TokenConfig, *, command: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    """A process that has a pool open until its standard input ends; says ``started`` and then ``ready PID``.

    ``command``: what runs the interpreter, with its own arguments.
    """
    environment = config.environment
    arguments = [
        str(config.module_path),
        config.uri.serial or "",
        environment["SOFTHSM2_CONF"],
        str(config.pin_source.file),
        str(config.lock_directory),
        *(environment.get(name, "-") for name in ("SHIM_CONTROL", "SHIM_LOG")),
        str(config.start_timeout),
        environment.get("SHIM_MODULE", "-"),
    ]
    process = subprocess.Popen(
        [*command, sys.executable, "-c", SERVER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """The next line that a ``server`` says."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], END_SECONDS)[0], "the server says nothing"
    return process.stdout.readline().strip()


def children_of(pid: int) -> list[int]:
    """The processes that ``pid`` has started and that have not ended."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def ended(pid: int, *, within: float = END_SECONDS) -> bool:
    """Wait for the end of any process."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within)[0])
    finally:
        os.close(descriptor)


def pid_of(pool: TokenPool) -> int:
    """The process of the first token, which is ready."""
    pid = pool.health()[0].pid
    assert pid is not None
    return pid


def status(pid: int) -> dict[str, str]:
    """``/proc/PID/status`` by name."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def wait_until(reached: Callable[[], bool]) -> None:
    """Wait for something that happens in another process."""
    pause, deadline = threading.Event(), time.monotonic() + END_SECONDS
    while not reached():
        assert time.monotonic() < deadline
        pause.wait(0.005)
