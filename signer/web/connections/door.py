"""Accepting: a few connections per turn of the loop, and the worker with more of them steps back.

The listener is one for all workers. A worker that is ahead waits a little before it takes another connection: long
enough for a worker with fewer to come first, never so long that a client notices where that one is busy.

With few connections it is one per turn, so that these are shared out. With many a turn is long, and who waits in the
queue of the listener would wait for as many turns as there are others before: then it takes more of them, in
proportion, which makes no worker much fuller than another.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from signer.web.connections.register import Register
from signer.web.connections.shares import Shares

logger = logging.getLogger("artifact-signer.server")

STEP_BACK_SECONDS = 0.002
LONGEST_STEP_BACK_SECONDS = 0.02
# While every connection has a request under way, or descriptors or memory have run out.
PAUSE_SECONDS = 0.1
# For so many that are open, one more is taken in a turn.
OPEN_FOR_ONE_MORE = 16
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Door:
    """One listening socket of a worker. For its event loop."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        register: Register,
        shares: Shares,
        seat: int,
        welcome: Callable[[socket.socket], None],
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._register = register
        self._shares = shares
        self._seat = seat
        self._welcome = welcome
        self._returning: asyncio.TimerHandle | None = None
        self._exhausted = False
        self._open = False

    def open(self) -> None:
        """Begin to accept."""
        self._open = True
        self._loop.add_reader(self._listener.fileno(), self._knock)

    def close(self) -> None:
        """Take what waits already, then accept no more: the port is free as far as this worker goes."""
        if not self._open:
            return
        self._open = False
        if self._returning is not None:
            self._returning.cancel()
        self._loop.remove_reader(self._listener.fileno())
        while self._register.make_room() and self._accept():
            pass
        self._listener.close()

    def _knock(self) -> None:
        ahead = self._shares.ahead(self._seat)
        if ahead:
            self._step_back(min(STEP_BACK_SECONDS * ahead, LONGEST_STEP_BACK_SECONDS))
        else:
            self._take_some()

    def _step_back(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._returning = self._loop.call_later(seconds, self._return)

    def _return(self) -> None:
        self._returning = None
        self._loop.add_reader(self._listener.fileno(), self._knock)
        # Nobody else took it meanwhile, or there is nothing.
        self._take_some()

    def _take_some(self) -> None:
        if not self._register.make_room():
            self._step_back(PAUSE_SECONDS)
            return
        more = self._register.open // OPEN_FOR_ONE_MORE
        # Nobody is closed for those beyond the first: it may be that nobody else waits.
        while self._accept() and more and not self._register.full:
            more -= 1

    def _accept(self) -> bool:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno in EXHAUSTED:
                self._pause(error)
            return False
        self._exhausted = False
        connection.setblocking(False)
        self._welcome(connection)
        return True

    def _pause(self, error: OSError) -> None:
        if not self._exhausted:
            logger.error("no connection can be accepted for the moment: %s", error.strerror)
        self._exhausted = True
        if self._open:
            self._step_back(PAUSE_SECONDS)
