"""A worker process: gunicorn's ASGI worker, with connections of its own, that stops as this service promises.

1. It takes its connections from the listeners of the arbiter, in turns with the other workers.
2. SIGHUP takes a renewed certificate for new connections; those that are open go on. What a client's certificate is
   worth, also on them, the client CAs say that were read last.
3. At a stop the port is free at once, what was read is answered, and nothing else is begun.
4. It does not outlive its arbiter: a restart finds the port free.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import socket
import ssl
import time
from functools import partial
from typing import Any, Protocol

from gunicorn.glogging import Logger
from gunicorn.workers.gasgi import ASGIWorker

from signer.domain.credentials import PeerKind
from signer.logs import origin
from signer.processes import leave_start_up_out_of_searches
from signer.web.connections.door import Door
from signer.web.connections.guest import Guest
from signer.web.connections.limits import ConnectionLimits
from signer.web.connections.protocol import Connection
from signer.web.connections.register import Register
from signer.web.connections.shares import ABSENT, Shares

logger = logging.getLogger("artifact-signer.server")

SWEEP_SECONDS = 0.25
OBSERVE_SECONDS = 1.0
# At a stop: time for requests that are on their way through the system, before idle connections are closed.
LAST_LOOK_SECONDS = 0.1
# At a stop: time in which a connection that was just made may still ask something.
GRACE_SECONDS = 1.0
PR_SET_PDEATHSIG = 1
IGNORED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH)
SIGNALS_OF_THE_ARBITER = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Host(Protocol):
    """What a worker is given by the server that starts it."""

    shares: Shares
    limits: ConnectionLimits
    tls: ssl.SSLContext | None

    def kind_of(self, listener: socket.socket) -> PeerKind:
        """Which of the listeners this is."""

    def renew_certificate(self) -> bool:
        """Read the certificate and the client CAs again; whether they can be used."""


class LineLogger(Logger):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's own messages through the service's log; requests are logged by the application."""

    def setup(self, cfg: Any) -> None:
        """Take the level from the process's logging, and write nothing of its own."""
        self.cfg = cfg
        self.error_log = logger
        self.loglevel = logging.getLogger().level

    def reopen_files(self) -> None:
        """Nothing: there are no files."""


class Worker(ASGIWorker):  # type: ignore[misc]  # gunicorn carries no types
    """The worker that ``server`` configures."""

    seat: int
    register: Register
    limits: ConnectionLimits

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Nothing: ``threads`` are for what the front hands on."""

    def init_process(self) -> None:
        """In the new process, before it serves."""
        # Until its own handlers are set, this process has those of the arbiter, which would swallow a signal.
        for number in SIGNALS_OF_THE_ARBITER:
            signal.signal(number, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != self.ppid:
            return
        super().init_process()

    def init_signals(self) -> None:
        """gunicorn's, and: HUP renews the certificate, the signals of its process manager do nothing."""
        super().init_signals()
        for number in IGNORED_SIGNALS:
            self.loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
        self.loop.add_signal_handler(signal.SIGHUP, self._renew_certificate)

    def handle_exit_signal(self) -> None:
        """SIGTERM: stop gracefully."""
        super().handle_exit_signal()
        self._stopping.set()

    def handle_quit_signal(self) -> None:
        """SIGINT, SIGQUIT: stop."""
        super().handle_quit_signal()
        self._stopping.set()

    @property
    def host(self) -> Host:
        """The server that started this worker."""
        host: Host = self.app
        return host

    def load_wsgi(self) -> None:
        """Build the application and what its connections need."""
        self._stopping = asyncio.Event()
        self._observe_at = 0.0
        self.limits = self.host.limits
        self.register = Register(
            bound=self.limits.connections,
            seconds=self.limits.phases,
            monotonic=time.monotonic,
            counted=lambda count: self.host.shares.set(self.seat, count),
        )
        super().load_wsgi()

    def _renew_certificate(self) -> None:
        self.host.renew_certificate()

    def _welcome(self, kind: PeerKind, connection: socket.socket) -> None:
        Guest(
            connection,
            loop=self.loop,
            register=self.register,
            limits=self.limits,
            # A gateway speaks TLS with clients, not with us.
            tls=lambda: None if kind is PeerKind.GATEWAY else self.host.tls,
            protocol=lambda guest: Connection(self, guest, kind),
        )

    async def _serve(self) -> None:
        self.loop.set_exception_handler(log_unforeseen)
        await self.asgi.startup()
        leave_start_up_out_of_searches()
        doors = [
            Door(
                loop=self.loop,
                listener=listener.sock,
                register=self.register,
                shares=self.host.shares,
                seat=self.seat,
                welcome=partial(self._welcome, self.host.kind_of(listener.sock)),
            )
            for listener in self.sockets
        ]
        self.host.shares.set(self.seat, 0)
        for door in doors:
            door.open()
        while self.alive and self.ppid == os.getppid():
            await self._beat()
        for door in doors:
            door.close()
        self.host.shares.set(self.seat, ABSENT)
        await self._finish()
        self.asgi.observe(self.register.open)
        await self.asgi.shutdown()

    async def _beat(self) -> None:
        self.notify()
        self.register.sweep()
        now = time.monotonic()
        if now >= self._observe_at:
            self._observe_at = now + OBSERVE_SECONDS
            self.asgi.observe(self.register.open)
        try:
            async with asyncio.timeout(SWEEP_SECONDS):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _finish(self) -> None:
        """Answer what was read, within the graceful timeout; nothing new is begun."""
        self.alive = False
        until = time.monotonic() + self.cfg.graceful_timeout
        await asyncio.sleep(LAST_LOOK_SECONDS)
        while self.register.open and time.monotonic() < until and not self._quick_shutdown:
            self.notify()
            self.register.sweep()
            self.register.close_silent(grace=GRACE_SECONDS)
            await asyncio.sleep(LAST_LOOK_SECONDS)
        if self.register.open:
            logger.warning("%d connections are closed with requests under way", self.register.open)


def log_unforeseen(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """One line for what no handler foresaw; never a traceback."""
    error = context.get("exception")
    logger.error("%s: %s", context.get("message"), origin(error) if error is not None else "no exception")
