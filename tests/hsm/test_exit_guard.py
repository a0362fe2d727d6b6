"""When a token's process may end: what the guard promises to the code that it guards."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from hsm.worker.exit_guard import ExitGuard

ARMING_SECONDS = 0.3


class SlowGuard(ExitGuard):
    """Its thread comes late to everything, as on a machine with more to do."""

    def __init__(self, life: socket.socket, *, parent: int) -> None:
        super().__init__(life, parent=parent)
        self.hesitates = threading.Event()

    def _arm(self) -> None:
        self.hesitates.wait(ARMING_SECONDS)
        super()._arm()


@pytest.fixture
def guard() -> Iterator[SlowGuard]:
    """A guard over this process, which its thread is not to end: it watches for the end of the parent's parent."""
    ours, theirs = socket.socketpair()
    guard = SlowGuard(theirs, parent=os.getppid())
    guard.start()
    yield guard
    guard.hesitates.set()
    # The thread has no other end than the process: without its signal and with an open socket it waits for ever.
    guard._enter()
    KEPT.extend((ours, theirs))


KEPT: list[socket.socket] = []


def test_something_critical_begins_only_without_the_signal(guard: SlowGuard) -> None:
    with guard.critical():
        assert not guard._armed


def test_what_follows_something_critical_has_the_signal_again(guard: SlowGuard) -> None:
    """Else a process says that it is ready, and outlives a parent that ends in this moment."""
    with guard.critical():
        pass
    assert guard._armed
