"""A worker's connections in this process: its door, its protocol and its deadlines, before an ASGI application."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from signer.web.connections.door import Door
from signer.web.connections.guest import Guest
from signer.web.connections.limits import ConnectionLimits
from signer.web.connections.protocol import Connection
from signer.web.connections.register import Register
from signer.web.connections.shares import Shares
from signer.web.worker import log_unforeseen

SWEEP_SECONDS = 0.02
LIMITS = ConnectionLimits(
    connections=100,
    handshake_timeout=30.0,
    head_timeout=30.0,
    read_timeout=30.0,
    keep_alive=30.0,
    body_rate=0,
)


@dataclass
class Serving:
    """What a connection asks of its worker, and what the tests ask of it."""

    asgi: Any
    limits: ConnectionLimits
    tls: ssl.SSLContext | None
    loop: asyncio.AbstractEventLoop
    alive: bool = True
    address: tuple[str, int] = ("", 0)

    def __post_init__(self) -> None:
        self.register = Register(
            bound=self.limits.connections, seconds=self.limits.phases, monotonic=time.monotonic, counted=lambda _: None
        )

    def welcome(self, connection: socket.socket) -> None:
        Guest(
            connection,
            loop=self.loop,
            register=self.register,
            limits=self.limits,
            tls=lambda: self.tls,
            protocol=lambda guest: Connection(self, guest),
        )

    async def run(self, listener: socket.socket, stop: asyncio.Event) -> None:
        self.loop.set_exception_handler(log_unforeseen)
        shares = Shares(1)
        shares.set(0, 0)
        door = Door(
            loop=self.loop, listener=listener, register=self.register, shares=shares, seat=0, welcome=self.welcome
        )
        door.open()
        while not stop.is_set():
            self.register.sweep()
            await asyncio.sleep(SWEEP_SECONDS)
        door.close()
        for member in tuple(self.register._phases):
            member.evict()
        await asyncio.sleep(SWEEP_SECONDS)

    def connect(self) -> socket.socket:
        """A plain connection, with a deadline for the test's own sake."""
        return socket.create_connection(self.address, timeout=20.0)


@contextmanager
def serving(
    asgi: Any,
    *,
    limits: ConnectionLimits = LIMITS,
    tls: ssl.SSLContext | None = None,
    event_loop: str = "asyncio",
    send_buffer: int | None = None,
    listener: socket.socket | None = None,
) -> Iterator[Serving]:
    """The application on a port of its own, in a thread."""
    loop = new_loop(event_loop)
    listener = listener or socket.create_server(("127.0.0.1", 0), backlog=256)
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    listener.setblocking(False)
    made = Serving(asgi=asgi, limits=limits, tls=tls, loop=loop, address=listener.getsockname()[:2])
    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(made.run(listener, stop)))
    thread.start()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        _close(loop)


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    """An event loop by the name of its library."""
    if kind == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def _close(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks))
    loop.close()


def until_closed(connection: socket.socket) -> bytes:
    """All that comes until the other side ends it."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received
