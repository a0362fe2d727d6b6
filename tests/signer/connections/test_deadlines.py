"""Every wait on a client ends in time, whatever trickles in meanwhile; over real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from signer.web.connections.guest import FAREWELL_SECONDS
from signer.web.connections.limits import ConnectionLimits
from tests.signer.connections import applications
from tests.support.certificates import server_context
from tests.support.serving import LIMITS, Serving, serving, until_closed

DEADLINE = 0.4
# What a busy machine may add.
SLACK = 3.0
DRIP = 0.05
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A client that keeps the service waiting. ``drip``: what it sends again and again; ``says``: its last words."""

    limits: ConnectionLimits
    begin: bytes = b""
    drip: bytes = b""
    says: bytes = b""
    application: Any = applications.hello


WAITS = {
    "a client that is silent": Wait(limits=replace(LIMITS, handshake_timeout=DEADLINE)),
    "a head that stops": Wait(limits=replace(LIMITS, head_timeout=DEADLINE), begin=HEAD, says=b"request-timeout"),
    "a head that comes byte by byte": Wait(
        limits=replace(LIMITS, head_timeout=DEADLINE), begin=HEAD + b"A: ", drip=b"b", says=b"request-timeout"
    ),
    "a head that comes field by field": Wait(
        limits=replace(LIMITS, head_timeout=DEADLINE), begin=HEAD, drip=b"A: b\r\n", says=b"request-timeout"
    ),
    "a body that stops": Wait(
        limits=replace(LIMITS, read_timeout=DEADLINE),
        begin=b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab",
        says=b"interrupted after 2",
        application=applications.echo,
    ),
    "a body that never begins": Wait(
        limits=replace(LIMITS, read_timeout=DEADLINE),
        begin=b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
        says=b"interrupted after 0",
        application=applications.echo,
    ),
    "a body that keeps to less than the least rate": Wait(
        limits=replace(LIMITS, read_timeout=DEADLINE, body_rate=1000),
        begin=b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
        drip=b"b",
        says=b"interrupted after",
        application=applications.echo,
    ),
    "chunks that keep to less than the least rate": Wait(
        limits=replace(LIMITS, read_timeout=DEADLINE, body_rate=1000),
        begin=b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        drip=b"1\r\nb\r\n",
        says=b"interrupted after",
        application=applications.echo,
    ),
    "a connection that is idle after an answer": Wait(
        limits=replace(LIMITS, keep_alive=DEADLINE), begin=HEAD + b"\r\n", says=b"hello"
    ),
    "the next head, which comes byte by byte": Wait(
        limits=replace(LIMITS, head_timeout=DEADLINE), begin=HEAD + b"\r\n" + HEAD + b"A: ", drip=b"b", says=b"hello"
    ),
}


@contextmanager
def dripping(connection: socket.socket, drip: bytes) -> Iterator[None]:
    """Sends again and again until the end of the block."""
    done = threading.Event()

    def send() -> None:
        while not done.wait(DRIP):
            try:
                connection.sendall(drip)
            except OSError:
                return

    thread = threading.Thread(target=send)
    if drip:
        thread.start()
    try:
        yield
    finally:
        done.set()
        if drip:
            thread.join()


@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("sentence", WAITS)
def test_a_wait_ends_in_time(sentence: str, event_loop: str) -> None:
    wait = WAITS[sentence]
    with serving(wait.application, limits=wait.limits, event_loop=event_loop) as service:
        with service.connect() as connection:
            begun = time.monotonic()
            connection.sendall(wait.begin)
            with dripping(connection, wait.drip):
                received = until_closed(connection)
                took = time.monotonic() - begun
        assert wait.says in received
        assert len(received) == 0 or wait.says
        assert _nobody_is_left(service)
    assert took < DEADLINE + SLACK


def _nobody_is_left(service: Serving, *, within: float = SLACK) -> bool:
    until = time.monotonic() + within
    while service.register.open and time.monotonic() < until:
        time.sleep(DRIP)
    return service.register.open == 0


def test_a_handshake_that_stops_ends_in_time(tmp_path: Path) -> None:
    limits = replace(LIMITS, handshake_timeout=DEADLINE)
    with serving(applications.hello, limits=limits, tls=server_context(tmp_path)) as service:
        with service.connect() as connection:
            begun = time.monotonic()
            connection.sendall(b"\x16\x03\x01\x02\x00\x01")
            with dripping(connection, b"\x00"):
                assert until_closed(connection) == b""
        assert time.monotonic() - begun < DEADLINE + SLACK
        assert _nobody_is_left(service)


def test_a_finished_handshake_and_silence_end_in_time(tmp_path: Path) -> None:
    limits = replace(LIMITS, head_timeout=DEADLINE)
    with serving(applications.hello, limits=limits, tls=server_context(tmp_path)) as service:
        with service.connect() as plain, _trusting().wrap_socket(plain) as connection:
            assert until_closed(connection) == b""
        assert _nobody_is_left(service)


@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
def test_a_client_that_says_no_farewell_is_left(tmp_path: Path, event_loop: str) -> None:
    with (
        serving(applications.hello, tls=server_context(tmp_path), event_loop=event_loop) as service,
        service.connect() as plain,
        _trusting().wrap_socket(plain, suppress_ragged_eofs=False) as connection,
    ):
        connection.sendall(HEAD + b"Connection: close\r\n\r\n")
        assert b"hello" in until_closed(connection)
        # TLS was ended by the service, and is not by the client; nor does it close.
        assert _nobody_is_left(service, within=FAREWELL_SECONDS + SLACK)


@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
def test_a_client_that_takes_no_answer_is_left(event_loop: str) -> None:
    limits = replace(LIMITS, read_timeout=DEADLINE)
    with serving(applications.flood, limits=limits, event_loop=event_loop) as service, service.connect() as connection:
        connection.sendall(HEAD + b"\r\n")
        assert connection.recv(1000)
        assert _nobody_is_left(service)


@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
def test_a_client_that_takes_no_end_is_left(event_loop: str) -> None:
    limits = replace(LIMITS, read_timeout=DEADLINE)
    with serving(applications.page, limits=limits, event_loop=event_loop, send_buffer=4096) as service:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with connection:
            connection.connect(service.address)
            connection.sendall(HEAD + b"Connection: close\r\n\r\n")
            until = time.monotonic() + SLACK
            while service.register.open == 0 and time.monotonic() < until:
                time.sleep(DRIP)
            assert _nobody_is_left(service)


def test_a_client_that_takes_its_answer_slowly_but_takes_it_is_served() -> None:
    limits = replace(LIMITS, read_timeout=DEADLINE)
    with serving(applications.flood, limits=limits) as service, service.connect() as connection:
        connection.sendall(HEAD + b"\r\n")
        begun = time.monotonic()
        while time.monotonic() - begun < 3 * DEADLINE:
            assert len(connection.recv(1 << 20))
            time.sleep(0.01)


def test_a_slow_body_that_keeps_to_the_rate_is_read() -> None:
    limits = replace(LIMITS, read_timeout=DEADLINE, body_rate=10)
    with serving(applications.echo, limits=limits) as service, service.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 20\r\n\r\n")
        for _ in range(20):
            time.sleep(DRIP)
            connection.sendall(b"a")
        assert until_closed(connection).endswith(b"a" * 20)


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
