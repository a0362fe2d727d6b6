"""A connection before HTTP: it has to say something, and on the TLS port that has to be TLS."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from signer.web.connections.limits import LINGER_BYTES
from signer.web.connections.refusals import PLAIN_HTTP, answer_bytes
from signer.web.connections.register import Phase, Register

if TYPE_CHECKING:
    from signer.web.connections.limits import ConnectionLimits

logger = logging.getLogger("artifact-signer.server")

# TLS record type "handshake" (RFC 8446 section 5.1); every TLS client begins with it.
TLS_HANDSHAKE = 0x16
# How long an end is held open for the client's own (RFC 8446 section 6.1 asks no one to wait).
FAREWELL_SECONDS = 1.0


class Guest:
    """An accepted socket. Its first byte is looked at and left in the socket, then a protocol takes over."""

    def __init__(
        self,
        connection: socket.socket,
        *,
        loop: asyncio.AbstractEventLoop,
        register: Register,
        limits: ConnectionLimits,
        tls: Callable[[], ssl.SSLContext | None],
        protocol: Callable[[Guest], asyncio.Protocol],
    ) -> None:
        self._socket = connection
        self._loop = loop
        self._register = register
        self._limits = limits
        self._tls = tls
        self._protocol = protocol
        self._task: asyncio.Task[None] | None = None
        register.enter(self, Phase.HELLO)
        loop.add_reader(connection.fileno(), self._spoken)

    def expire(self, _phase: Phase) -> None:
        """Silent for too long."""
        self.evict()

    def evict(self) -> None:
        """Close at once."""
        if self._task is not None:
            self._task.cancel()
            return
        self._loop.remove_reader(self._socket.fileno())
        self._close()

    @property
    def begun(self) -> bool:
        """There is no request yet."""
        return False

    def dismiss(self) -> None:
        """Nothing was asked."""
        self.evict()

    def look(self, _now: float) -> None:
        """There is no body yet."""

    def _spoken(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        try:
            first = self._socket.recv(1, socket.MSG_PEEK)
        except OSError:
            first = b""
        if not first:
            self._close()
            return
        tls = self._tls()
        self._register.enter(self, Phase.HANDSHAKE)
        if tls is not None and first[0] != TLS_HANDSHAKE and first.isalpha():
            logger.warning("plain http on the https port from %s", self._client())
            refusal = Refusal(answer_bytes(PLAIN_HTTP), register=self._register, guest=self)
            self._task = self._loop.create_task(self._hand_over(lambda: refusal, None))
        else:
            self._task = self._loop.create_task(self._hand_over(lambda: self._protocol(self), tls))

    async def _hand_over(self, protocol: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None) -> None:
        # The protocol takes this guest's place in the register when its connection is made.
        timeout, farewell = (self._limits.handshake_timeout, FAREWELL_SECONDS) if tls is not None else (None, None)
        client = self._client()
        try:
            await self._loop.connect_accepted_socket(
                protocol, self._socket, ssl=tls, ssl_handshake_timeout=timeout, ssl_shutdown_timeout=farewell
            )
        except (OSError, asyncio.CancelledError) as error:
            if isinstance(error, ssl.SSLError):
                logger.warning("tls handshake refused from %s: %s", client, _why(error))
            self._close()

    def _client(self) -> str:
        try:
            address = self._socket.getpeername()
        except OSError:
            return "a client that has left"
        return str(address[0]) if isinstance(address, tuple) else "a unix socket"

    def _close(self) -> None:
        self._register.leave(self)
        self._socket.close()


def _why(error: ssl.SSLError) -> str:
    # OpenSSL's own words, which repeat nothing of the certificate.
    return (
        f"{error.reason}: {error.verify_message}" if isinstance(error, ssl.SSLCertVerificationError) else error.reason
    )


class Refusal(asyncio.Protocol):
    """Says one thing, and reads on for a while so that it arrives."""

    def __init__(self, words: bytes, *, register: Register, guest: Guest) -> None:
        self._words = words
        self._register = register
        self._guest = guest
        self._read = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer, and half-close."""
        self._transport = cast("asyncio.Transport", transport)
        self._register.leave(self._guest)
        self._register.enter(self, Phase.LINGERING)
        self._transport.write(self._words)
        self._transport.write_eof()

    def data_received(self, data: bytes) -> None:
        """Whatever it is, it is not read."""
        self._read += len(data)
        if self._read > LINGER_BYTES:
            self._transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        """Over."""
        self._register.leave(self)

    def expire(self, _phase: Phase) -> None:
        """Long enough."""
        self._transport.abort()

    def evict(self) -> None:
        """Make room."""
        self._transport.abort()

    @property
    def begun(self) -> bool:
        """There is no request."""
        return False

    def dismiss(self) -> None:
        """It was answered."""
        self.evict()

    def look(self, _now: float) -> None:
        """There is no body."""
