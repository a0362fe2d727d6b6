"""A connection that is over leaves nothing in memory, however it ended."""

from __future__ import annotations

import gc
import socket
import ssl
import struct
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from signer.web.connections import limits
from signer.web.connections.protocol import Connection
from tests.signer.connections import applications
from tests.support import serving as support
from tests.support.certificates import server_context
from tests.support.rows import slow_but
from tests.support.serving import LIMITS, serving, until_closed

CLIENTS = 5
PATIENCE_SECONDS = 10.0
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
RESET = struct.pack("ii", 1, 0)
HASTY = replace(LIMITS, head_timeout=0.2, keep_alive=0.2, read_timeout=0.2)


def leave_after_the_answer(connection: socket.socket) -> None:
    connection.sendall(GET)
    connection.recv(65536)


def reset_after_the_answer(connection: socket.socket) -> None:
    leave_after_the_answer(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def leave_before_the_answer(connection: socket.socket) -> None:
    connection.sendall(GET)


def say(words: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(words)


def say_and_wait_for_the_end(words: bytes) -> Callable[[socket.socket], None]:
    def said(connection: socket.socket) -> None:
        connection.sendall(words)
        until_closed(connection)

    return said


BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"
ENDS: dict[str, tuple[Any, Callable[[socket.socket], None]]] = {
    "the client leaves after its answer": (applications.echo, leave_after_the_answer),
    "the client resets after its answer": (applications.echo, reset_after_the_answer),
    "the client leaves before its answer": (applications.echo, leave_before_the_answer),
    "the client leaves within a head": (applications.echo, say(b"GET / HTTP/1.1\r\nHo")),
    "the client leaves within a body": (applications.echo, say(BODY)),
    "the client leaves after two requests at once": (applications.echo, say(GET + GET)),
    "the service closes, as it was asked to": (
        applications.echo,
        say_and_wait_for_the_end(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    ),
    "the service refuses what is no http": (applications.echo, say_and_wait_for_the_end(b"nonsense\r\n\r\n")),
    "the service leaves a body unread": (applications.unauthorised, say_and_wait_for_the_end(BODY)),
    "the service has waited long enough for a head": (applications.echo, say_and_wait_for_the_end(b"GET / ")),
    "the service has waited long enough for a body": (applications.echo, say_and_wait_for_the_end(BODY)),
    "the service has waited long enough for another request": (applications.echo, say_and_wait_for_the_end(GET)),
}


# While a request is under way its task is given some time, and the connection stays with it.
UNDER_WAY = {
    "the client leaves before its answer",
    "the client leaves within a body",
    "the client leaves after two requests at once",
}
NEVER = 3600


@pytest.mark.parametrize("event_loop", slow_but({"uvloop"}, ["asyncio", "uvloop"]))
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("sentence", ENDS)
def test_it_leaves_nothing(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sentence: str,
    encrypted: bool,
    event_loop: str,
) -> None:
    made: list[weakref.ref[Connection]] = []

    def remembered(*arguments: Any) -> Connection:
        connection = Connection(*arguments)
        made.append(weakref.ref(connection))
        return connection

    gc.disable()
    request.addfinalizer(gc.enable)
    monkeypatch.setattr(support, "Connection", remembered)
    monkeypatch.setattr(limits, "LINGER_SECONDS", 0.2)
    application, end = ENDS[sentence]
    tls = server_context(tmp_path) if encrypted else None
    with serving(application, limits=HASTY, tls=tls, event_loop=event_loop) as service:
        if sentence not in UNDER_WAY:
            monkeypatch.setattr(limits, "GRACE_SECONDS", NEVER)
        for _ in range(CLIENTS):
            with suppress(OSError), encrypt(service.connect(), encrypted=encrypted) as connection:
                end(connection)
        until = time.monotonic() + PATIENCE_SECONDS
        while (left(made) or len(made) < CLIENTS) and time.monotonic() < until:
            time.sleep(0.02)
        assert (len(made), left(made)) == (CLIENTS, [])


def left(made: list[weakref.ref[Connection]]) -> list[Connection]:
    return [connection for each in made if (connection := each()) is not None]


def encrypt(connection: socket.socket, *, encrypted: bool) -> socket.socket:
    if not encrypted:
        return connection
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)
