"""Decides when a token's process may end: as soon as its parent does, but never while the token is being written.

A software token may rewrite its own file at every login, and not atomically: a process that ends in that moment takes
all keys with it. So what writes happens inside ``critical()``, and everything that ends the process waits for it, for
a bounded time. Signing writes nothing and delays no end.

The kernel's signal at the parent's death is set for one thread, this one, because it works even while a module call
keeps the interpreter; it is switched off, by the same thread, for as long as something critical goes on.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from hsm.errors import TokenUnavailable

PR_SET_PDEATHSIG = 1
EXIT_PARENT_GONE = 0
ARMING_TIMEOUT = 5.0  # seconds; switching a signal takes microseconds


class ExitGuard:
    """One for the process. ``grace``: seconds that something critical is given before the process ends anyway."""

    def __init__(self, life: socket.socket, *, parent: int) -> None:
        self._life = life
        self._parent = parent
        self._prctl = ctypes.CDLL(None).prctl
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._state = threading.Condition()
        self._critical = 0
        self._armed = False
        self._leaving = False
        self.grace = 30.0

    def start(self) -> None:
        """Begin to watch the parent; ends the process at once where it is gone already."""
        threading.Thread(target=self._watch, name="guard", daemon=True).start()

    @contextmanager
    def critical(self) -> Iterator[None]:
        """The process does not end here, unless it takes longer than ``grace``."""
        self._enter()
        try:
            yield
        finally:
            self._leave_critical()

    def _enter(self) -> None:
        with self._state:
            self._change(+1)
            self._state.wait_for(lambda: self._leaving or not self._armed, ARMING_TIMEOUT)
            if self._leaving or self._armed:
                self._change(-1)
                raise TokenUnavailable(reason="process is leaving")

    def _leave_critical(self) -> None:
        """Returns when the kernel's signal is on again: what follows may rely on it, such as saying "ready"."""
        with self._state:
            self._change(-1)
            self._state.wait_for(lambda: self._leaving or self._armed or self._critical > 0, ARMING_TIMEOUT)

    def _change(self, difference: int) -> None:
        with self._state:
            self._critical += difference
            self._state.notify_all()
        os.eventfd_write(self._wake, 1)

    def leave(self, status: int) -> NoReturn:
        """End the process, without anybody's exit handlers: some modules crash in theirs."""
        with self._state:
            self._leaving = True
            self._state.notify_all()
            # A token that is cut off while it is written may lose every key: wait, but not for a module that hangs.
            self._state.wait_for(lambda: self._critical == 0, self.grace)
            # Still under the lock, so that nobody becomes critical between the look and the end.
            os._exit(status)

    def _watch(self) -> None:
        poller = select.poll()
        poller.register(self._life, select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        while True:
            self._arm()
            ready = dict(poller.poll())
            if self._wake in ready:
                os.eventfd_read(self._wake)
            if self._life.fileno() in ready:
                with suppress(OSError):
                    if self._life.recv(1):
                        continue
                self.leave(EXIT_PARENT_GONE)

    def _arm(self) -> None:
        with self._state:
            wanted = self._critical == 0
            if wanted != self._armed:
                self._prctl(PR_SET_PDEATHSIG, signal.SIGKILL if wanted else 0, 0, 0, 0)
                self._armed = wanted
                self._state.notify_all()
        if wanted and os.getppid() != self._parent:
            self.leave(EXIT_PARENT_GONE)
