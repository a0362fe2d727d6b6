"""Recorders for tests: a real process kept by its supervisor, and the loop in a thread over records in memory."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from signer.config import LoggingSettings
from signer.recorder.addresses import listening, socket_path
from signer.recorder.main import Setup
from signer.recorder.server import RecorderServer, Records
from signer.recorder.supervision import RecorderSupervisor

from . import databases

LOOK_SECONDS = 0.01
WAIT_SECONDS = 30.0


def until(condition: Callable[[], object], *, wait: float = WAIT_SECONDS) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + wait
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def setup_line(url: str, *, timeout: float = databases.TIMEOUT) -> bytes:
    """The set-up of a recorder on this database."""
    settings = databases.settings(url, timeout=timeout)
    return Setup(database=settings, logging=LoggingSettings(), clock_tolerance=5.0).line()  # type: ignore[call-arg]


@contextmanager
def supervised(directory: Path, url: str) -> Iterator[RecorderSupervisor]:
    """A recorder's process, looked after by a thread; it is gone at the end."""
    supervisor = RecorderSupervisor(directory=directory, setup=setup_line(url))
    supervisor.start()
    stop = threading.Event()

    def look_after() -> None:
        while not stop.wait(LOOK_SECONDS):
            supervisor.look()

    thread = threading.Thread(target=look_after)
    thread.start()
    try:
        yield supervisor
    finally:
        stop.set()
        thread.join()
        process = supervisor._process
        supervisor.close()
        if process is not None:
            process.wait(WAIT_SECONDS)


class LoopInThread:
    """The recorder's loop over ``records``, which may be in memory."""

    def __init__(self, directory: Path, records: Records) -> None:
        self.path = socket_path(directory)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._listener = listening(self.path)
        lifeline, self._held = os.pipe()
        self.server = RecorderServer(listener=self._listener, lifeline=lifeline, records=records, housekeeping=None)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()

    def let_go(self) -> None:
        """The service has ended."""
        with suppress(OSError):
            os.close(self._held)

    def connect(self) -> socket.socket:
        """A connection of the test's own."""
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(WAIT_SECONDS)
        made.connect(str(self.path))
        return made

    def close(self) -> None:
        """End the loop; connections have to be closed before."""
        self.let_go()
        self.thread.join(WAIT_SECONDS)
        assert not self.thread.is_alive()
        self._listener.close()
