"""One answer to one request: as long as it says, with the fields that were given, and an end where one is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.serving import serving, until_closed

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Answers everything alike; the second request, if one comes, in a way that can be told."""

    headers: Iterable[tuple[bytes, bytes]] = ((b"content-length", b"5"),)
    parts: tuple[bytes, ...] = (b"hello",)
    status: int = 200

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        if scope["raw_path"] == b"/next":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
            await send({"type": "http.response.body", "body": b"next"})
            return
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        for part in self.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def exchanged(application: Any, sent: bytes = GET + NEXT) -> bytes:
    with serving(application) as service, service.connect() as connection:
        connection.sendall(sent)
        return until_closed(connection)


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", received)]


def bodies(received: bytes) -> list[bytes]:
    return [part.partition(b"\r\n\r\n")[2] for part in received.split(b"HTTP/1.1 ")[1:]]


def test_an_answer_and_the_next() -> None:
    received = exchanged(Answers())
    assert (statuses(received), bodies(received)) == ([200, 200], [b"hello", b"next"])
    head = received.partition(b"\r\n\r\n")[0]
    assert re.fullmatch(rb"HTTP/1.1 200 OK\r\nServer: artifact-signer\r\ncontent-length: 5\r\nDate: [^\r\n]{29}", head)


REFUSED: dict[str, Any] = {
    "a field with a line of its own": [(b"content-length", b"5"), (b"x-id", b"1\r\nSet-Cookie: a=b")],
    "a bare line feed in a field": [(b"content-length", b"5"), (b"x-id", b"1\nSet-Cookie: a=b")],
    "a bare carriage return in a field": [(b"content-length", b"5"), (b"x-id", b"1\rSet-Cookie: a=b")],
    "a line in a name": [(b"content-length", b"5"), (b"x-id: 1\r\nSet-Cookie", b"a=b")],
    "no length": [(b"x-id", b"1")],
    "a length that is none": [(b"content-length", b"five")],
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_an_answer_that_would_be_read_as_another_does_not_leave(sentence: str) -> None:
    received = exchanged(Answers(headers=REFUSED[sentence]))
    assert statuses(received) == [500]
    assert b"Set-Cookie" not in received
    assert b"hello" not in received


def test_no_byte_beyond_its_length_leaves() -> None:
    received = exchanged(Answers(parts=(b"hel", b"lo HTTP/1.1 200 OK\r\n", b"more")))
    assert bodies(received) == [b"hello", b"next"]


def test_after_an_answer_that_is_too_short_nothing_is_read() -> None:
    received = exchanged(Answers(parts=(b"hell",)))
    assert bodies(received) == [b"hell"]


def test_an_answer_that_never_ends_ends_the_connection() -> None:
    async def broken_off(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello", "more_body": True})
        raise LookupError

    assert bodies(exchanged(broken_off)) == [b"hello"]


def test_head_has_the_length_and_no_body() -> None:
    received = exchanged(Answers(), b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + NEXT)
    assert bodies(received) == [b"", b"next"]
    assert b"content-length: 5" in received


@pytest.mark.parametrize("status", [204, 304])
def test_what_has_no_body_by_its_status_has_none(status: int) -> None:
    received = exchanged(Answers(status=status))
    assert bodies(received) == [b"", b"next"]
    assert (b"content-length: 5" in received) == (status == 304)


def test_a_large_part_and_small_ones_come_in_order() -> None:
    parts = (b"a" * 10, b"b" * (1 << 20), b"c" * 10)
    size = sum(map(len, parts))
    received = exchanged(Answers(headers=[(b"content-length", b"%d" % size)], parts=parts))
    assert bodies(received) == [b"".join(parts), b"next"]


ENDS = {
    "close": b"Connection: close\r\n",
    "in capitals": b"Connection: CLOSE\r\n",
    "close among others": b"Connection: TE, close\r\n",
    "close after keep-alive": b"Connection: keep-alive\r\nConnection: close\r\n",
}


@pytest.mark.parametrize("sentence", ENDS)
def test_an_end_that_was_asked_for_is_announced_and_made(sentence: str) -> None:
    received = exchanged(Answers(), b"GET / HTTP/1.1\r\nHost: x\r\n" + ENDS[sentence] + b"\r\n" + NEXT)
    assert bodies(received) == [b"hello"]
    assert b"\r\nConnection: close\r\n" in received


def test_what_follows_a_tunnel_is_no_request() -> None:
    assert bodies(exchanged(Answers(), b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n" + NEXT)) == [b"hello"]


def test_a_worker_that_stops_says_so() -> None:
    class Stopping:
        serving: Any = None

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            self.serving.alive = False
            await Answers()(scope, receive, send)

    application = Stopping()
    with serving(application) as service, service.connect() as connection:
        application.serving = service
        connection.sendall(GET + NEXT)
        received = until_closed(connection)
    assert bodies(received) == [b"hello"]
    assert b"\r\nConnection: close\r\n" in received


def test_a_name_with_an_underscore_passes_for_no_other() -> None:
    seen: list[Any] = []

    async def remember(scope: Any, _receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await Answers()(scope, _receive, send)

    exchanged(
        remember, b"GET / HTTP/1.1\r\nHost: x\r\nX_Forwarded_For: 192.0.2.1\r\nX-A: 1\r\nConnection: close\r\n\r\n"
    )
    assert [name for name, _ in seen] == [b"host", b"x-a", b"connection"]
