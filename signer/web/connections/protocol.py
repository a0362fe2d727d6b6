"""HTTP/1.1 on one connection: gunicorn's C parser, one request after the other, and an end for everything.

1. Every phase of a connection is entered in the ``Register``, which ends it in time; a body keeps to a least rate.
2. What the parser or ``read_head`` refuses is a problem document.
3. An answer that leaves a body unread closes the connection, but reads on for a bounded while, in ``data_received`` and
   nowhere else: a client that is still sending gets its answer before it notices the end.
4. Whoever is served has a task, and nobody else: a connection that is idle, or over, keeps nothing that waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from signer.domain.credentials import PeerKind
from signer.logs import origin
from signer.web.connections import limits
from signer.web.connections.exchanges import Exchange
from signer.web.connections.heads import MALFORMED, new_parser, read_head
from signer.web.connections.limits import LINGER_BYTES, ConnectionLimits
from signer.web.connections.refusals import HEAD_TIMEOUT, UNEXPECTED, HeadRefused, answer_bytes, malformed
from signer.web.connections.register import Member, Phase, Register
from signer.web.environ import LISTENER, PEER_CERTIFICATE
from signer.web.problems import Problem

logger = logging.getLogger("artifact-signer.server")

PARSER_PACKAGE = "gunicorn_h1c"
# By the names that the C parser has for them.
STATUS_OF_PARSER_ERRORS = {"LimitRequestLine": 414, "LimitRequestHeaders": 431, "UnsupportedTransferCoding": 501}
# Of a body, before the client has to wait; and how little of it may be left before it may go on.
MOST_BUFFERED, FEW_BUFFERED = 256 << 10, 128 << 10
# Of an answer, before whoever makes it has to wait.
WRITE_BUFFER_BYTES = 64 << 10

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class Owner(Protocol):
    """The worker that a connection belongs to."""

    loop: asyncio.AbstractEventLoop
    register: Register
    limits: ConnectionLimits
    asgi: Application
    alive: bool


class Connection(asyncio.Protocol):
    """One connection and the requests on it, one after the other; it takes the place of ``guest``."""

    transport: asyncio.Transport

    def __init__(self, worker: Owner, guest: Member, kind: PeerKind = PeerKind.TCP) -> None:
        self._worker = worker
        self._guest: Member | None = guest
        self._kind = kind
        self._register = worker.register
        self._limits = worker.limits
        self._loop = worker.loop
        self._scope: dict[str, Any] = {}
        self._parser: Any = None
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self.closed = False
        """Whether nothing more is read as a request, or sent."""
        self._lost = False
        self._draining = False
        self._drained = 0
        self._broken = False
        self._head_bytes = 0
        self._body_began = 0.0
        self._body_bytes = 0
        self._last_data = 0.0
        self._paused_at: float | None = None
        self._paused_seconds = 0.0
        self._early = b""

    # The life of a connection, as the transport tells it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done: a request head is waited for."""
        if self._guest is not None:
            self._register.leave(self._guest)
            self._guest = None
        self._register.enter(self, Phase.HEAD)
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._scope = _scope(self.transport, self._kind)
        self._parser = new_parser(
            on_headers_complete=self._on_headers_complete,
            on_body=self._on_body,
            on_message_complete=self._on_message_complete,
        )

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The transport is closed."""
        self._register.leave(self)
        self.closed = self._lost = True
        self._continue_writing()
        if self._task is None:
            self._forget()
            return
        if self._exchange is not None:
            self._exchange.body.interrupt()
        # The application may end by itself what it has begun.
        self._loop.call_later(limits.GRACE_SECONDS, self._task.cancel)

    def _forget(self) -> None:
        """Break the circles with parser and exchange, so that all that TLS keeps for a connection goes at once.

        The garbage collector would find them too, but it looks for old circles the later the more there is in memory.
        """
        self._parser = self._exchange = None

    def data_received(self, data: bytes) -> None:
        """Bytes of a head or body; dropped once the connection is about to end."""
        if self._draining:
            self._drained += len(data)
            if self._drained > LINGER_BYTES:
                self.transport.abort()
            return
        if self.closed or self._broken:
            return
        exchange = self._exchange
        if exchange is not None and exchange.body.complete:
            # The next request, of a client that had its answer before this side knew that it was sent. The parser would
            # keep little of it, and the connection end: it waits here, and what follows at the other side.
            self._early += data
            self._pause_reading()
            return
        self._head_bytes += len(data)
        if self._feed(data):
            self._note_progress(len(data))

    def pause_writing(self) -> None:
        """The client does not take what it asked for."""
        if not self.closed:
            self._writable = self._loop.create_future()
            self._register.enter(self, Phase.WRITING)

    def resume_writing(self) -> None:
        """It took enough of it for now."""
        self._continue_writing()
        if not self.closed:
            self._register.enter(self, Phase.SERVING)

    def _continue_writing(self) -> None:
        if self._writable is not None:
            if not self._writable.done():
                self._writable.set_result(None)
            self._writable = None

    # What the register asks of its members.

    def expire(self, phase: Phase) -> None:
        """The time of the phase is over."""
        if phase is Phase.HEAD and self._head_bytes:
            self._refuse(HEAD_TIMEOUT)
        elif phase in (Phase.HEAD, Phase.IDLE):
            self._end()
        else:
            self.transport.abort()

    @property
    def begun(self) -> bool:
        """Whether something of a request was read that is not answered."""
        return self._head_bytes > 0

    def dismiss(self) -> None:
        """Nothing was asked: say farewell."""
        self._end()

    def evict(self) -> None:
        """Make room."""
        self._end()
        self.transport.abort()

    def look(self, now: float) -> None:
        """Interrupt a body that is too slow; time in which the service itself did not read is not counted."""
        if self._exchange is None or self._paused_at is not None:
            return
        elapsed = now - self._body_began - self._paused_seconds
        silent = now - self._last_data > self._limits.read_timeout
        slow = elapsed > self._limits.read_timeout and self._body_bytes < self._limits.body_rate * elapsed
        if silent or slow:
            self._broken = True
            self._exchange.body.interrupt()

    # What an exchange asks of its connection.

    @property
    def staying(self) -> bool:
        """Whether another request may come after the one that is served."""
        return self._worker.alive

    def write(self, *parts: bytes) -> None:
        """To the client, unless that is gone."""
        if not self.closed:
            self.transport.writelines(parts)

    @property
    def untaken(self) -> asyncio.Future[None] | None:
        """What ends when the client has taken enough of what was written, or is gone; None: it has."""
        return self._writable

    def taken(self, buffered: int) -> None:
        """So much of a body is left here after some of it was taken."""
        if self._paused_at is not None and not self._early and buffered <= FEW_BUFFERED:
            self._resume_reading()

    # Requests.

    def _feed(self, data: bytes) -> bool:
        """Whether what came was read and the connection goes on."""
        try:
            self._parser.feed(data)
        except HeadRefused as refused:
            self._refuse(refused.problem)
        except Exception as error:
            if not type(error).__module__.startswith(PARSER_PACKAGE):
                raise
            self._misread(error)
        else:
            return True
        return False

    def _note_progress(self, size: int) -> None:
        """Enter the phase that the bytes have led to."""
        exchange, phase = self._exchange, self._register.phase(self)
        if exchange is None:
            if phase is Phase.IDLE:
                self._register.enter(self, Phase.HEAD)
        elif exchange.body.complete:
            if phase in (Phase.HEAD, Phase.BODY, Phase.IDLE):
                self._register.enter(self, Phase.SERVING)
        else:
            self._last_data = self._loop.time()
            self._body_bytes += size
            if phase in (Phase.HEAD, Phase.IDLE):
                self._register.enter(self, Phase.BODY)
                self._body_began, self._body_bytes, self._paused_seconds = self._last_data, 0, 0.0
            if exchange.body.buffered > MOST_BUFFERED:
                self._pause_reading()

    def _on_headers_complete(self) -> bool:
        exchange = self._exchange = Exchange(self, read_head(self._parser, self._scope))
        self._head_bytes = 0
        self._task = self._loop.create_task(self._serve(exchange))
        # Whatever the method, its body is read as it is framed (RFC 9112 section 6.3).
        return False

    def _on_body(self, chunk: bytes) -> None:
        if self._exchange is not None:
            self._exchange.body.feed(chunk)

    def _on_message_complete(self) -> None:
        if self._exchange is not None:
            self._exchange.body.end()

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self._worker.asgi(exchange.scope, exchange.body.receive, exchange.send)
        except Exception as error:  # noqa: BLE001  (the front lets nothing through; nothing gets further than this)
            logger.error("a request ended in %s", origin(error))  # noqa: TRY400
        finally:
            self._served(exchange)

    def _served(self, exchange: Exchange) -> None:
        """The application is done: on to the next request, or to the end."""
        self._task = None
        if self._lost:
            self._forget()
        elif exchange.keeps and not self.closed:
            self._next()
        else:
            if not exchange.started:
                self.write(answer_bytes(UNEXPECTED))
            self._end(linger=not exchange.body.complete)

    def _next(self) -> None:
        """Another request may come, or is here."""
        parser = self._parser
        if parser.remaining_truncated:
            self._end()
            return
        early, self._early = parser.remaining() + self._early, b""
        parser.reset()
        self._exchange = None
        self._head_bytes = 0
        self._register.enter(self, Phase.IDLE)
        self._resume_reading()
        if early:
            self.data_received(early)

    def _misread(self, error: Exception) -> None:
        exchange = self._exchange
        if exchange is not None and not exchange.body.complete:
            # The application is reading this body, and answers for it.
            self._broken = True
            exchange.body.interrupt()
            return
        status = STATUS_OF_PARSER_ERRORS.get(type(error).__name__, MALFORMED)
        logger.warning("http refused from %s: %s", self._client(), type(error).__name__)
        self._refuse(malformed(status))

    def _refuse(self, problem: Problem) -> None:
        self.write(answer_bytes(problem))
        self._end(linger=True)

    # Between requests, and at the end.

    def _pause_reading(self) -> None:
        if self._paused_at is None:
            self._paused_at = self._loop.time()
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._paused_at is not None:
            self._last_data = self._loop.time()
            self._paused_seconds += self._last_data - self._paused_at
            self._paused_at = None
            self.transport.resume_reading()

    def _end(self, *, linger: bool = False) -> None:
        """No more requests: close when what was written is sent, or read on for a while before that."""
        if self.closed:
            return
        self.closed = True
        self._register.enter(self, Phase.LINGERING if linger else Phase.CLOSING)
        if not linger:
            self.transport.close()
            return
        self._draining = True
        self._resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _client(self) -> str:
        address = self.transport.get_extra_info("peername")
        return str(address[0]) if isinstance(address, tuple) else "a unix socket"


def _scope(transport: asyncio.Transport, kind: PeerKind) -> dict[str, Any]:
    """What ASGI's scope says of every request of a connection."""
    tls = transport.get_extra_info("ssl_object")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "scheme": "http" if tls is None else "https",
        "server": _address(transport.get_extra_info("sockname")),
        "client": _address(transport.get_extra_info("peername")),
        LISTENER: kind,
    }
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    return scope if certificate is None else {**scope, PEER_CERTIFICATE: certificate}


def _address(name: Any) -> tuple[str, int] | None:
    """Host and port; None for a Unix socket."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None
