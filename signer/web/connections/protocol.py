"""HTTP/1.1 on one connection: gunicorn's protocol and C parser, with the deadlines and the end that it lacks.

1. Every phase of a connection is entered in the ``Register``, which ends it in time; a body keeps to a least rate.
2. What the parser or ``_check`` refuses is a problem document.
3. An answer that leaves a body unread closes the connection, but reads on for a bounded while, in ``data_received`` and
   nowhere else: a client that is still sending gets its answer before it notices the end.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from gunicorn.asgi.protocol import ASGIProtocol, BodyReceiver

from signer.domain.credentials import PeerKind
from signer.web.connections.limits import LINGER_BYTES, ConnectionLimits
from signer.web.connections.refusals import HEAD_TIMEOUT, UNEXPECTED, HeadRefused, answer_bytes, malformed
from signer.web.connections.register import Member, Phase, Register
from signer.web.environ import LISTENER, PEER_CERTIFICATE
from signer.web.problems import Problem

logger = logging.getLogger("artifact-signer.server")

SERVER_ERROR = 500
PARSER_PACKAGES = ("gunicorn_h1c", "gunicorn.asgi.parser", "gunicorn.http.errors")
# By the names that gunicorn and its C parser have in common.
STATUS_OF_PARSER_ERRORS = {
    "LimitRequestLine": 414,
    "LimitRequestHeaders": 431,
    "UnsupportedTransferCoding": 501,
    "ExpectationFailed": 417,
}
# Two of them would be read differently by whoever stands before the service (RFC 9110 section 5.3).
ONCE = frozenset({b"host", b"authorization", b"content-length", b"content-type", b"expect", b"transfer-encoding"})


class Receiver(BodyReceiver):  # type: ignore[misc]  # gunicorn carries no types
    """A request's body; the connection, not this, knows how long to wait for it."""

    async def _wait_for_data(self) -> None:
        if self._chunks or self._complete or self._disconnected:
            return
        self._waiter = self.protocol.worker.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def interrupt(self) -> None:
        """The rest of the body will not be read: the application is told that it ends here."""
        self._body_wait_expired = True
        self._wake_waiter()


class Owner(Protocol):
    """The worker that a connection belongs to, beside what gunicorn asks of it."""

    loop: asyncio.AbstractEventLoop
    register: Register
    limits: ConnectionLimits


class Connection(ASGIProtocol):  # type: ignore[misc]  # gunicorn carries no types
    """One connection and the requests on it, one after the other; it takes the place of ``guest``."""

    _body_receiver: Receiver | None
    _callback_parser: Any

    def __init__(self, worker: Owner, guest: Member, kind: PeerKind = PeerKind.TCP) -> None:
        super().__init__(worker)
        self._guest: Member | None = guest
        self._kind = kind
        self._register = worker.register
        self._limits = worker.limits
        self._loop = worker.loop
        self._closed = False
        self._draining = False
        self._drained = 0
        self._broken = False
        self._served = False
        self._head_bytes = 0
        self._body_began = 0.0
        self._body_bytes = 0
        self._last_data = 0.0
        self._paused_at: float | None = None
        self._paused_seconds = 0.0
        self._peer_certificate: bytes | None = None
        self._early = b""

    # The life of a connection, as the transport tells it.

    def connection_made(self, transport: Any) -> None:
        """The handshake is done: a request head is waited for."""
        if self._guest is not None:
            self._register.leave(self._guest)
            self._guest = None
        self._register.enter(self, Phase.HEAD)
        tls = transport.get_extra_info("ssl_object")
        self._peer_certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is closed."""
        self._register.leave(self)
        if self._awaiting_request and self._request_ready is not None:
            # Nothing is under way: the task ends by itself, and no timer keeps this connection in order to end it.
            self._task = None
            self._request_ready.set()
        super().connection_lost(exc)
        if self._served:
            self._forget()

    async def _handle_connection(self) -> None:
        try:
            await super()._handle_connection()
        finally:
            self._served = True
            if self._conn_lost_handled:
                self._forget()

    async def _serve_http_request(self, request: Any, sockname: Any, peername: Any) -> Any:
        # gunicorn gives each request a task of its own, for applications that go on after their answer. The front does
        # not: its last step is to give the answer to the connection, and this task waits for nothing else meanwhile.
        return await self._handle_http_request(request, sockname, peername)

    def _forget(self) -> None:
        """Break the circles with parser and body, so that all that TLS keeps for a connection goes at once.

        The garbage collector would find them too, but it looks for old circles the later the more there is in memory.
        """
        self._callback_parser = self._body_receiver = None

    def data_received(self, data: bytes) -> None:
        """Bytes of a head or body; dropped once the connection is about to end."""
        if self._draining:
            self._drained += len(data)
            if self._drained > LINGER_BYTES:
                self.transport.abort()
            return
        if self._closed or self._broken:
            return
        receiver = self._body_receiver
        if receiver is not None and receiver._complete:
            # The next request, of a client that had its answer before this side knew that it was sent. The parser would
            # keep little of it, and the connection end: it waits here, and what follows at the other side.
            self._early += data
            self._pause_reading()
            return
        if self._early:
            # What came before this is about to be fed.
            self._early += data
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if not self._closed:
            self._note_progress(len(data))

    def pause_writing(self) -> None:
        """The client does not take what it asked for."""
        super().pause_writing()
        if not self._closed:
            self._register.enter(self, Phase.WRITING)

    def resume_writing(self) -> None:
        """It took enough of it for now."""
        super().resume_writing()
        if not self._closed:
            self._register.enter(self, Phase.SERVING)

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
        receiver = self._body_receiver
        if receiver is None or self._paused_at is not None:
            return
        elapsed = now - self._body_began - self._paused_seconds
        silent = now - self._last_data > self._limits.read_timeout
        slow = elapsed > self._limits.read_timeout and self._body_bytes < self._limits.body_rate * elapsed
        if silent or slow:
            self._broken = True
            receiver.interrupt()

    # Requests.

    def _note_progress(self, size: int) -> None:
        """Enter the phase that the bytes have led to."""
        receiver, phase = self._body_receiver, self._register.phase(self)
        if receiver is None:
            if phase is Phase.IDLE:
                self._register.enter(self, Phase.HEAD)
        elif receiver._complete:
            if phase in (Phase.HEAD, Phase.BODY, Phase.IDLE):
                self._register.enter(self, Phase.SERVING)
        else:
            self._last_data = self._loop.time()
            self._body_bytes += size
            if phase in (Phase.HEAD, Phase.IDLE):
                self._register.enter(self, Phase.BODY)
                self._body_began, self._body_bytes, self._paused_seconds = self._last_data, 0, 0.0

    def _on_headers_complete(self) -> Any:
        _check(self._callback_parser)
        skip = super()._on_headers_complete()
        self._head_bytes = 0
        self._body_receiver = Receiver(self._current_request, self)
        return skip

    def _feed_callback_parser(self, data: bytes) -> bool:
        try:
            self._callback_parser.feed(data)
        except HeadRefused as refused:
            self._refuse(refused.problem)
        except Exception as error:
            if not type(error).__module__.startswith(PARSER_PACKAGES):
                raise
            self._misread(error)
        else:
            return True
        return False

    def _misread(self, error: Exception) -> None:
        receiver = self._body_receiver
        if receiver is not None and not receiver._complete:
            # The application is reading this body, and answers for it.
            self._broken = True
            receiver.interrupt()
            return
        status = STATUS_OF_PARSER_ERRORS.get(type(error).__name__, 400)
        logger.warning("http refused from %s: %s", self._client(), type(error).__name__)
        self._refuse(malformed(status))

    def _refuse(self, problem: Problem) -> None:
        self._safe_write(answer_bytes(problem))
        self._end(linger=True)

    def _send_error_response(self, status: int, message: str, extra_headers: Any = ()) -> None:  # noqa: ARG002
        # gunicorn's own words for an application that failed; the front lets nothing through.
        self._safe_write(answer_bytes(UNEXPECTED if status >= SERVER_ERROR else malformed(status)))

    def _is_websocket_upgrade(self, request: Any) -> bool:  # noqa: ARG002
        return False

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> dict[str, Any]:
        scope: dict[str, Any] = super()._build_http_scope(request, sockname, peername)
        scope[LISTENER] = self._kind
        if self._peer_certificate is not None:
            scope[PEER_CERTIFICATE] = self._peer_certificate
        return scope

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        receiver = self._body_receiver
        unread = receiver is not None and not receiver._complete
        return bool(unread or super()._will_close(request, response_requires_close))

    # Between requests, and at the end.

    def _arm_keepalive_timer(self) -> None:
        if not self._closed:
            self._head_bytes = 0
            self._register.enter(self, Phase.IDLE)

    def _cancel_keepalive_timer(self) -> None:
        """The register's phases stand in for gunicorn's timer."""

    def _pause_reading(self) -> None:
        if self._paused_at is None:
            self._paused_at = self._loop.time()
        super()._pause_reading()

    def _resume_reading(self) -> None:
        if self._paused_at is not None:
            self._last_data = self._loop.time()
            self._paused_seconds += self._last_data - self._paused_at
            self._paused_at = None
        super()._resume_reading()
        if self._early:
            # As soon as whoever calls this has made the parser ready for it.
            self._loop.call_soon(self._feed_early)

    def _feed_early(self) -> None:
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def _close_transport(self) -> None:
        receiver = self._body_receiver
        self._end(linger=receiver is not None and not receiver._complete)

    def _end(self, *, linger: bool = False) -> None:
        """No more requests: close when what was written is sent, or read on for a while before that."""
        if self._closed:
            return
        self._closed = True
        if self._request_ready is not None:
            self._request_ready.set()
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


def _check(parser: Any) -> None:
    """What RFC 9112 asks of a head, beyond its grammar. Raises ``HeadRefused``."""
    seen = set()
    for name, value in parser.asgi_headers:
        if name in ONCE:
            if name in seen:
                raise HeadRefused(malformed(400))
            seen.add(name)
            if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                raise HeadRefused(malformed(501))
            if name == b"expect" and value.strip().lower() != b"100-continue":
                raise HeadRefused(malformed(417))
    if b"host" not in seen and parser.http_version >= (1, 1):
        raise HeadRefused(malformed(400))
