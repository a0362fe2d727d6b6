"""HTTP/1.1 as it may be sent, and as it may not: one reading of every byte, or a refusal."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from signer.web.connections.protocol import MOST_BUFFERED, Connection
from tests.signer.connections import applications
from tests.support.serving import Serving, serving, until_closed

POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def service() -> Iterator[Serving]:
    with serving(applications.path) as made:
        yield made


def exchange(service: Serving, sent: bytes) -> bytes:
    with service.connect() as connection:
        connection.sendall(sent)
        return until_closed(connection)


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", received)]


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A request that is refused, and nothing after it read."""

    request: bytes
    status: int = 400


REFUSED = {
    "a body of two lengths": Bad(request=POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunks before a length": Bad(request=POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    "a length twice": Bad(request=POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    "two lengths": Bad(request=POST + b"Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc"),
    "a list of lengths": Bad(request=POST + b"Content-Length: 3, 3\r\n\r\nabc"),
    "a length with a sign": Bad(request=POST + b"Content-Length: +3\r\n\r\nabc"),
    "a negative length": Bad(request=POST + b"Content-Length: -3\r\n\r\nabc"),
    "a length in hexadecimal": Bad(request=POST + b"Content-Length: 0x3\r\n\r\nabc"),
    "a length that no integer holds": Bad(request=POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc"),
    "an empty length": Bad(request=POST + b"Content-Length: \r\n\r\nabc"),
    "gzip as a transfer coding": Bad(request=POST + b"Transfer-Encoding: gzip\r\n\r\n", status=501),
    "gzip, then chunked": Bad(request=POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", status=501),
    "identity as a transfer coding": Bad(request=POST + b"Transfer-Encoding: identity\r\n\r\n", status=501),
    "chunked in quotes": Bad(request=POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n'),
    "chunked, then something": Bad(request=POST + b"Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n"),
    "chunked after a tab": Bad(request=POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    "chunked with a space before the colon": Bad(request=POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    "chunked twice": Bad(request=POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunks in HTTP/1.0": Bad(request=b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "a folded field": Bad(request=GET + b"A: b\r\n c\r\n\r\n"),
    "a fold before the first field": Bad(request=b"GET / HTTP/1.1\r\n Host: x\r\n\r\n"),
    "bare line feeds": Bad(request=b"GET / HTTP/1.1\nHost: x\n\n"),
    "a bare line feed in the head": Bad(request=b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"),
    "a bare carriage return in the head": Bad(request=b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n"),
    "a NUL in a field": Bad(request=GET + b"A: \x00\r\n\r\n"),
    "a field without a name": Bad(request=GET + b": b\r\n\r\n"),
    "a field without a colon": Bad(request=GET + b"abc\r\n\r\n"),
    "no host": Bad(request=b"GET / HTTP/1.1\r\n\r\n"),
    "two hosts": Bad(request=b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    "two credentials": Bad(request=GET + b"Authorization: a\r\nAuthorization: b\r\n\r\n"),
    "two media types": Bad(request=POST + b"Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 0\r\n\r\n"),
    "an expectation of another kind": Bad(request=POST + b"Expect: miracles\r\nContent-Length: 0\r\n\r\n", status=417),
    "a line that is too long": Bad(request=b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", status=414),
    "a field that is too long": Bad(request=GET + b"A: " + b"a" * 10000 + b"\r\n\r\n", status=431),
    "too many fields": Bad(request=GET + b"A: b\r\n" * 100 + b"\r\n", status=431),
    "HTTP/2": Bad(request=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/9.9": Bad(request=b"GET / HTTP/9.9\r\nHost: x\r\n\r\n"),
    "no version": Bad(request=b"GET /\r\nHost: x\r\n\r\n"),
    "a space in the path": Bad(request=b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a path beyond ASCII": Bad(request=b"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a control character in the path": Bad(request=b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"),
    "binary": Bad(request=b"\x00\x01\x02\r\n\r\n"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_request_is_refused_and_nothing_after_it_is_read(service: Serving, sentence: str) -> None:
    bad = REFUSED[sentence]
    received = exchange(service, bad.request + NEXT)
    assert statuses(received) == [bad.status]
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Content-Type: application/problem+json" in head
    assert b"Server: artifact-signer" in head
    assert json.loads(body)["code"] == "malformed-http"


@pytest.mark.parametrize("sentence", REFUSED)
def test_it_is_refused_byte_by_byte_as_well(service: Serving, sentence: str) -> None:
    bad = REFUSED[sentence]
    with service.connect() as connection:
        for start in range(0, len(bad.request), 97):
            try:
                connection.sendall(bad.request[start : start + 97])
            except OSError:
                break
        assert statuses(until_closed(connection)) == [bad.status]


BROKEN_BODIES = {
    "a chunk size that is none": b"zz\r\n",
    "a negative chunk": b"-3\r\nabc\r\n",
    "a chunk size of many digits": b"f" * 40 + b"\r\n",
    "a chunk that ends early": b"3\r\nab\r\n0\r\n\r\n",
    "a chunk without its end": b"3\r\nabcd\r\n",
    "a bare line feed after the size": b"3\nabc\r\n0\r\n\r\n",
    "credentials behind the chunks": b"3\r\nabc\r\n0\r\nAuthorization: x\r\n\r\n",
    "a length behind the chunks": b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n",
    "a bare line feed behind the chunks": b"3\r\nabc\r\n0\r\nA: b\nC: d\r\n\r\n",
    "a bare line feed after the chunk": b"3\r\nabc\n0\r\n\r\n",
}


@pytest.mark.parametrize("sentence", BROKEN_BODIES)
def test_a_body_that_breaks_is_answered_once_and_ends_the_connection(sentence: str) -> None:
    with serving(applications.echo) as service:
        received = exchange(service, POST + b"Transfer-Encoding: chunked\r\n\r\n" + BROKEN_BODIES[sentence] + NEXT)
    assert statuses(received) == [400]
    # The application was told, and said this.
    assert b"interrupted after" in received


TAKEN = {
    "two requests in one packet": (GET + b"\r\n" + NEXT, [b"GET / ", b"GET /next "]),
    "three requests": (GET + b"\r\n" + GET + b"\r\n" + NEXT, [b"GET / ", b"GET / ", b"GET /next "]),
    "a body and the next request": (POST + b"Content-Length: 3\r\n\r\nabc" + NEXT, [b"POST / abc", b"GET /next "]),
    "chunks and the next request": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + NEXT, [b"POST / abc", b"GET /next "],
    ),
    "chunked in capitals": (
        POST + b"Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n" + NEXT, [b"POST / a", b"GET /next "],
    ),
    "trailers, which are dropped": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nDigest: x\r\n\r\n" + NEXT,
        [b"POST / abc", b"GET /next "],
    ),
    "extensions of chunks": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n" + NEXT, [b"POST / abc", b"GET /next "],
    ),
    "HTTP/1.0 without a host": (b"GET /old HTTP/1.0\r\n\r\n", [b"GET /old "]),
    "a body that looks like a request": (
        POST + b"Content-Length: %d\r\n\r\n" % len(NEXT) + NEXT + NEXT, [b"POST / " + NEXT, b"GET /next "],
    ),
    "an upgrade, which is not taken": (
        GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" + NEXT, [b"GET / ", b"GET /next "],
    ),
    "an upgrade to HTTP/2, which is not taken": (
        GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n" + NEXT,
        [b"GET / ", b"GET /next "],
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", TAKEN)
def test_requests_are_answered_in_order(service: Serving, sentence: str) -> None:
    sent, bodies = TAKEN[sentence]
    received = exchange(service, sent)
    assert statuses(received) == [200] * len(bodies)
    found = -1
    for body in bodies:
        found = received.index(b"\r\n\r\n" + body, found + 1)


def test_continue_is_sent_when_the_body_is_asked_for(service: Serving) -> None:
    with service.connect() as connection:
        connection.sendall(POST + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 3\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert b"POST / abc" in until_closed(connection)


def test_continue_is_not_sent_to_who_is_refused() -> None:
    with serving(applications.unauthorised) as service, service.connect() as connection:
        connection.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        received = until_closed(connection)
        assert statuses(received) == [401]
        assert b"Connection: close" in received


def test_continue_is_not_sent_where_the_body_has_come(service: Serving) -> None:
    sent = POST + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
    assert statuses(exchange(service, sent)) == [200]


def test_continue_is_not_sent_after_the_answer_has_begun() -> None:
    async def hasty(_scope: object, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await receive()
        await send({"type": "http.response.body", "body": b"ok"})

    with serving(hasty) as service, service.connect() as connection:
        connection.sendall(POST + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 3\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert b"100 Continue" not in until_closed(connection)


def test_continue_is_not_sent_where_a_part_of_the_body_has_come(service: Serving) -> None:
    with service.connect() as connection:
        connection.sendall(POST + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 3\r\n\r\na")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(65536)
        connection.sendall(b"bc")
        connection.settimeout(20)
        assert statuses(until_closed(connection)) == [200]


def test_continue_is_not_for_http_1_0(service: Serving) -> None:
    with service.connect() as connection:
        connection.sendall(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        # Something of an answer would come now, if it did.
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(65536)
        connection.sendall(b"abc")
        connection.settimeout(20)
        assert until_closed(connection).startswith(b"HTTP/1.1 200 OK")


def test_no_request_is_made_of_what_the_parser_did_not_keep(service: Serving) -> None:
    """The first 64 KiB behind a request are kept; the connection ends rather than go on without the rest."""
    body = b"a" * 200_000
    received = exchange(service, GET + b"\r\n" + POST + b"Content-Length: 200000\r\n\r\n" + body + NEXT)
    assert statuses(received) == [200]


def test_no_more_of_a_body_is_held_than_its_bound() -> None:
    gate = applications.Gate()
    with serving(gate) as service, service.connect() as connection:
        connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % (1 << 30))
        connection.settimeout(0.5)
        with suppress(TimeoutError):
            while True:
                connection.send(bytes(1 << 16))
        (member,) = service.register._phases
        assert isinstance(member, Connection)
        assert member._exchange is not None
        # What one look at the socket brings may come on top.
        assert member._exchange.body.buffered <= MOST_BUFFERED + (1 << 18)
        service.loop.call_soon_threadsafe(gate.opened.set)
        connection.settimeout(20)
        assert b"at last" in connection.recv(65536)


def test_a_body_that_had_to_wait_comes_whole() -> None:
    """The reading stopped while nobody took what had come, and goes on as it is taken."""
    size, opened = 8 << 20, asyncio.Event()

    async def late(_scope: object, receive: Any, send: Any) -> None:
        await opened.wait()
        received, more = 0, True
        while more:
            message = await receive()
            received, more = received + len(message["body"]), message["more_body"]
        await applications.answer(send, 200, b"%d" % received)

    with serving(late) as service, service.connect() as connection:
        sending = threading.Thread(
            target=connection.sendall,
            args=(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % size + bytes(size),),
        )
        sending.start()
        until = time.monotonic() + 20
        while not any(isinstance(each, Connection) and each._paused_at for each in tuple(service.register._phases)):
            assert time.monotonic() < until
            time.sleep(0.01)
        service.loop.call_soon_threadsafe(opened.set)
        assert until_closed(connection).endswith(b"\r\n\r\n%d" % size)
        sending.join(20)


def test_an_application_that_fails_is_a_problem_document() -> None:
    async def broken(_scope: object, _receive: object, _send: object) -> None:
        raise LookupError("secret")

    with serving(broken) as service:
        received = exchange(service, GET + b"\r\n")
    assert statuses(received) == [500]
    assert json.loads(received.partition(b"\r\n\r\n")[2])["code"] == "internal-error"
    assert b"secret" not in received


def test_a_large_request_that_comes_before_the_last_answer_is_done_is_served() -> None:
    """A client that has its whole answer asks on, while this side still waits for the answer to be taken."""
    body = bytes(300_000)
    request = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    lasting = applications.Lasting()
    with serving(lasting) as made, made.connect() as connection:
        connection.sendall(request)
        answered = b""
        while not answered.endswith(b"told"):
            answered += connection.recv(65536)
        connection.sendall(request + NEXT)
        for _ in range(3):
            made.loop.call_soon_threadsafe(lasting.go_on.release)
        received = until_closed(connection)
    assert statuses(answered + received) == [200] * 3
