"""gunicorn's threaded worker, with what this service promises of every connection.

1. Every wait on a client has a deadline, the TLS handshake included.
2. What the HTTP parser refuses is answered with a problem document.
3. Plain HTTP on the TLS port is told so, at once.
4. Answers name the service, not the software that it runs on.
"""

from __future__ import annotations

import logging
import secrets
import socket
import ssl
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.http import errors as http_errors
from gunicorn.http import wsgi
from gunicorn.workers.gthread import ThreadWorker

from signer.web.connection import offer_close
from signer.web.problems import MEDIA_TYPE, Problem

logger = logging.getLogger("artifact-signer.server")

HELLO_TIMEOUT = 5.0
SERVER_NAME = "artifact-signer"
PEEKED_BYTES = 8
DRAINED_BYTES = 1 << 16
# TLS record type "handshake" (RFC 8446 section 5.1); every TLS client begins with it.
TLS_HANDSHAKE = 0x16

PLAIN_HTTP = Problem(
    status=400,
    code="https-required",
    detail="this port speaks https only, and the request came as plain http",
    hint="use https:// in the URL",
    facts={},
)
STATUS_OF_PARSER_ERRORS = {
    http_errors.LimitRequestLine: 414,
    http_errors.LimitRequestHeaders: 431,
    http_errors.ExpectationFailed: 417,
    http_errors.UnsupportedTransferCoding: 501,
}
REASONS = {400: "Bad Request", 414: "URI Too Long", 417: "Expectation Failed", 431: "Header Fields Too Large",
           500: "Internal Server Error", 501: "Not Implemented"}  # fmt: skip


class DeadlineMixin:
    """Turns "blocking" into "blocking, but no longer than ``deadline`` seconds"."""

    deadline: float = 30.0

    def setblocking(self, flag: bool) -> None:
        """As the base, with the deadline."""
        self.settimeout(self.deadline if flag else 0.0)  # type: ignore[attr-defined]


class DeadlineSocket(DeadlineMixin, socket.socket):
    """A plain connection that cannot be waited on for ever."""


class DeadlineTlsSocket(DeadlineMixin, ssl.SSLSocket):
    """A TLS connection that cannot be waited on for ever."""


class LineLogger(Logger):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's own messages through the service's log; requests are logged by the application."""

    def setup(self, cfg: Any) -> None:
        """Take the level from the process's logging, and write nothing of its own."""
        self.cfg = cfg
        self.error_log = logger
        self.loglevel = logging.getLogger().level

    def access(self, *_arguments: Any) -> None:
        """Nothing: the application writes one line per request."""

    def reopen_files(self) -> None:
        """Nothing: there are no files."""


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """The worker that ``server`` configures."""

    def init_process(self) -> None:
        """In the new process, before it serves."""
        # Each answer begins with a Server header of this value; there is no setting for it.
        wsgi.SERVER = SERVER_NAME
        super().init_process()

    def handle(self, conn: Any) -> Any:
        """Serve one request of a connection, in a thread of the pool."""
        if not conn.initialized and not isinstance(conn.sock, DeadlineSocket):
            conn.sock = DeadlineSocket(fileno=conn.sock.detach())
        if self.cfg.is_ssl and not conn.initialized and _plain_http(conn):
            logger.warning("plain http on the https port from %s", _client(conn.client))
            conn.sock.setblocking(True)
            conn.sock.recv(DRAINED_BYTES)
            _send(conn.sock, PLAIN_HTTP)
            return False
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Call the application, which may end the connection with its answer."""
        offer_close(req.force_close)
        return super().handle_request(req, conn)

    def handle_error(self, _req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what never became a request."""
        if isinstance(exc, ssl.SSLError):
            logger.warning("tls handshake refused from %s: %s", _client(addr), exc.reason)
            return
        status = next(
            (status for kind, status in STATUS_OF_PARSER_ERRORS.items() if isinstance(exc, kind)),
            400 if isinstance(exc, http_errors.ParseException) else 500,
        )
        logger.warning("http refused from %s: %s", _client(addr), type(exc).__name__)
        _send(
            client,
            Problem(status=status, code="malformed-http", detail="the request is not proper HTTP/1.1", facts={}),
        )


def _plain_http(conn: Any) -> bool:
    if not conn.wait_for_data(HELLO_TIMEOUT):
        return False
    start = conn.sock.recv(PEEKED_BYTES, socket.MSG_PEEK)
    return bool(start) and start[0] != TLS_HANDSHAKE and start[:1].isalpha()


def _client(address: Any) -> str:
    return str(address[0]) if address else "a unix socket"


def _send(connection: socket.socket, problem: Problem) -> None:
    body = problem.document(secrets.token_hex(8))
    head = (
        f"HTTP/1.1 {problem.status} {REASONS[problem.status]}\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    try:
        connection.sendall(head.encode("ascii") + body)
    except OSError as error:
        logger.info("the client left before it was refused: %s", error.strerror)
