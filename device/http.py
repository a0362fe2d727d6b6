"""One HTTPS request on a connection of its own, within a total deadline and a bound of what is read.

No redirection is followed, no proxy is asked, and no name is taken from the environment: the server's address is the
one that was set. Python's sockets have a timeout for each step; here each step gets what is left of the whole.
"""

from __future__ import annotations

import http.client
import queue
import socket
import ssl
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urlsplit

from device.errors import (
    AnswerInvalid,
    DeadlineExceeded,
    ServerNotPinned,
    ServerNotTrusted,
    ServiceUnreachable,
    SettingsInvalid,
)
from device.requests import Request

HTTPS_PORT = 443
MOST_BYTES = 1 << 20
LEAST_SECONDS = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Where the service is. ``prefix``: what its paths begin with, without a slash at its end."""

    host: str
    port: int
    prefix: str

    @classmethod
    def of_url(cls, unverified_url: str) -> ServerAddress:
        """Of ``https://host[:port][/prefix]``; raises ``SettingsInvalid``."""
        try:
            parts = urlsplit(unverified_url)
            port = parts.port
        except ValueError:
            raise SettingsInvalid(problem="server is no URL") from None
        plain = not (parts.query or parts.fragment or parts.username or parts.password)
        printable = unverified_url.isascii() and unverified_url.isprintable() and " " not in unverified_url
        if parts.scheme != "https" or not parts.hostname or not plain or not printable:
            raise SettingsInvalid(problem="server is not https://HOST[:PORT][/PREFIX]")
        return cls(host=parts.hostname, port=port or HTTPS_PORT, prefix=parts.path.rstrip("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """``headers``: by names in lower case; of a name that came twice the last."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where to, what is believed and shown there. ``pinned``: the server's certificate is one of these, in DER."""

    address: ServerAddress
    context: ssl.SSLContext
    pinned: Collection[bytes] | None = None


def exchange(channel: Channel, request: Request, until: float) -> Response:
    """Ask once. ``until``: of the monotonic clock.

    Raises ``DeadlineExceeded``, ``ServiceUnreachable``, ``ServerNotTrusted``, ``ServerNotPinned`` or ``AnswerInvalid``.
    """
    address, context = channel.address, channel.context
    context.sslsocket_class = _TimedSocket
    host = address.host
    try:
        with _connected(address, until) as plain:
            plain.settimeout(_left(until))
            wrapped = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
            with wrapped as secured:
                secured.until = until  # type: ignore[attr-defined]  # of our own class, see above
                secured.do_handshake()
                _require_pinned(channel, secured)  # before it hears anything
                return _answered(address, secured, request)
    except ssl.SSLCertVerificationError as error:
        raise ServerNotTrusted(host=host, reason=error.verify_message) from None
    except TimeoutError:
        raise DeadlineExceeded(host=host) from None
    except http.client.IncompleteRead:
        raise ServiceUnreachable(host=host, reason="the answer ended early") from None
    except OSError as error:  # a connection that ends before an answer is one, and an HTTPException too
        reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
        raise ServiceUnreachable(host=host, reason=str(reason)) from None
    except (http.client.HTTPException, ValueError):
        raise AnswerInvalid(problem="not HTTP/1.1") from None


def _answered(address: ServerAddress, secured: ssl.SSLSocket, request: Request) -> Response:
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.sock = secured
    headers = {"Connection": "close", "Accept": "*/*", "User-Agent": "artifact-device", **request.headers}
    if request.body or request.method in ("POST", "PUT"):
        headers["Content-Length"] = str(len(request.body))
    connection.request(request.method, address.prefix + request.path, request.body or None, headers)
    answer = connection.getresponse()
    if answer.length is None and not answer.chunked:
        # Its end would be the connection's, which anybody on the way can bring about.
        raise AnswerInvalid(problem="neither Content-Length nor chunked")
    if answer.length is not None and answer.length > MOST_BYTES:
        raise AnswerInvalid(problem="too large")
    body = answer.read() if answer.length is not None else answer.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise AnswerInvalid(problem="too large")
    fields = {name.lower(): value for name, value in answer.getheaders()}
    return Response(status=answer.status, headers=fields, body=body)


def _require_pinned(channel: Channel, secured: ssl.SSLSocket) -> None:
    shown = secured.getpeercert(binary_form=True) or b""
    if channel.pinned is not None and shown not in channel.pinned:
        raise ServerNotPinned(host=channel.address.host, fingerprint=sha256(shown).hexdigest())


class _TimedSocket(ssl.SSLSocket):
    """Each step gets what is left until ``until``."""

    until: float = 0.0

    def do_handshake(self, block: bool = False) -> None:
        self.settimeout(_left(self.until))
        super().do_handshake(block)

    def recv_into(self, *arguments: object) -> int:
        self.settimeout(_left(self.until))
        return super().recv_into(*arguments)  # type: ignore[arg-type]  # handed on as it comes

    def send(self, *arguments: object) -> int:
        self.settimeout(_left(self.until))
        return super().send(*arguments)  # type: ignore[arg-type]  # handed on as it comes


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return max(left, LEAST_SECONDS)


def _connected(address: ServerAddress, until: float) -> socket.socket:
    failed: OSError = OSError("no address")
    found = _resolved(address, until)
    for number, (family, kind, protocol, _, place) in enumerate(found):
        plain = socket.socket(family, kind, protocol)
        try:
            # One address that swallows everything leaves time for the others.
            plain.settimeout(_left(until) / (len(found) - number))
            plain.connect(place)
        except OSError as error:
            plain.close()
            failed = error
        else:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return plain
    raise failed


def _resolved(address: ServerAddress, until: float) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    """The addresses of the name. The resolver has no deadline of ours, so it is asked in a thread that may be left."""
    answers: queue.SimpleQueue[object] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM))
        except OSError as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answers.get(timeout=_left(until))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, OSError):
        raise found
    return list(found)  # type: ignore[call-overload, no-any-return]  # what getaddrinfo returns
