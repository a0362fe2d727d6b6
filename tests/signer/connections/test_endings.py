"""How connections end: a refusal reaches who is still sending, and the loop goes on meanwhile."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from signer.web.connections import guest, limits, protocol
from signer.web.connections.register import Phase
from tests.signer.connections import applications
from tests.support.certificates import server_context
from tests.support.serving import Serving, serving, until_closed

# More than any buffer between the two holds.
LARGE = 64 << 20
UPLOAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.fixture(params=["plain", "TLS"])
def refusing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serving]:
    """Refuses every request without reading its body."""
    tls = server_context(tmp_path) if request.param == "TLS" else None
    with serving(applications.unauthorised, tls=tls) as service:
        yield service


def client(service: Serving) -> http.client.HTTPConnection:
    if service.tls is None:
        return http.client.HTTPConnection(*service.address, timeout=20)
    return http.client.HTTPSConnection(*service.address, timeout=20, context=trusting())


def sent_until_reset(connection: socket.socket) -> int:
    """How many MiB the other side takes before it ends the connection; 100 if it does not."""
    for sent in range(100):
        try:
            connection.sendall(bytes(1 << 20))
        except OSError:
            return sent
    return 100


def test_http_client_gets_its_refusal_of_a_large_upload(refusing: Serving) -> None:
    connection = client(refusing)
    connection.request("POST", "/", body=bytes(LARGE))
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (401, b"who are you?")
    assert answer.headers["Connection"] == "close"
    connection.close()


def test_http_client_gets_its_refusal_of_a_large_upload_in_chunks(refusing: Serving) -> None:
    connection = client(refusing)
    connection.request("POST", "/", body=iter([bytes(1 << 20)] * 64), encode_chunked=True)
    assert connection.getresponse().status == 401
    connection.close()


def test_requests_gets_its_refusal_of_a_large_upload(refusing: Serving) -> None:
    requests = pytest.importorskip("requests")
    scheme = "http" if refusing.tls is None else "https"
    url = f"{scheme}://{refusing.address[0]}:{refusing.address[1]}/"
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert requests.post(url, data=bytes(LARGE), verify=False, timeout=20).status_code == 401


def test_a_head_that_is_refused_reaches_who_goes_on_sending(refusing: Serving) -> None:
    connection = client(refusing)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", str(LARGE))
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    connection.send(bytes(LARGE))
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (400, "malformed-http")
    connection.close()


def test_lingering_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINGER_SECONDS", 0.3)
    with serving(applications.unauthorised) as service, service.connect() as connection:
        connection.sendall(UPLOAD % LARGE)
        assert b"401" in until_closed(connection)
        # The client neither reads on nor leaves.
        until = time.monotonic() + 5
        while service.register.open and time.monotonic() < until:
            time.sleep(0.02)
        assert service.register.open == 0


def test_lingering_reads_no_more_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LINGER_BYTES", 1 << 20)
    with serving(applications.unauthorised) as service, service.connect() as connection:
        connection.sendall(UPLOAD % (1 << 40))
        assert sent_until_reset(connection) < 50


def test_others_are_served_while_forty_linger() -> None:
    with serving(applications.unauthorised) as service:
        held = [service.connect() for _ in range(40)]
        for connection in held:
            connection.sendall(UPLOAD % LARGE)
        assert all(b"401" in until_closed(connection) for connection in held)
        begun = time.monotonic()
        with service.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"401" in until_closed(connection)
        assert time.monotonic() - begun < 2.0
        for connection in held:
            connection.close()


def test_plain_http_on_the_tls_port_is_told_so_at_once_and_forty_times(tmp_path: Path) -> None:
    with serving(applications.hello, tls=server_context(tmp_path)) as service:
        held = [service.connect() for _ in range(40)]
        begun = time.monotonic()
        for connection in held:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert all(b"https-required" in until_closed(connection) for connection in held)
        assert time.monotonic() - begun < 3.0
        with service.connect() as plain, trusting().wrap_socket(plain) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"hello" in until_closed(connection)
        for connection in held:
            connection.close()


def test_plain_http_with_a_large_body_is_told_so(tmp_path: Path) -> None:
    with serving(applications.hello, tls=server_context(tmp_path)) as service:
        connection = http.client.HTTPConnection(*service.address, timeout=20)
        connection.request("POST", "/", body=bytes(LARGE))
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (400, "https-required")
        connection.close()


def test_plain_http_reads_no_more_than_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "LINGER_BYTES", 1 << 20)
    with serving(applications.hello, tls=server_context(tmp_path)) as service, service.connect() as connection:
        connection.sendall(UPLOAD % (1 << 40))
        assert sent_until_reset(connection) < 50


def test_what_is_neither_tls_nor_http_is_closed(tmp_path: Path) -> None:
    with serving(applications.hello, tls=server_context(tmp_path)) as service, service.connect() as connection:
        connection.sendall(b"\x00\x01\x02\x03\x04\x05\x06\x07")
        assert b"HTTP" not in until_closed(connection)


def test_a_request_goes_on_while_its_client_takes_its_time(tmp_path: Path) -> None:
    gate = applications.Gate()
    with serving(gate) as service, service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        threading.Timer(0.5, lambda: service.loop.call_soon_threadsafe(gate.opened.set)).start()
        assert b"at last" in until_closed(connection)


def test_a_client_that_leaves_is_noticed() -> None:
    gate = applications.Gate()
    with serving(gate) as service:
        with service.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            _until(lambda: gate.waiting == 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        _until(lambda: service.register.open == 0)


def test_who_waits_for_a_client_to_take_an_answer_is_told_that_it_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GRACE_SECONDS", 3600)
    ended = threading.Event()

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        await applications.flood(scope, receive, send)
        ended.set()

    with serving(watched) as service:
        with service.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.recv(1)
            _until(lambda: service.register.phase(next(iter(service.register._phases))) is Phase.WRITING)
        assert ended.wait(20)


@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
def test_what_is_written_while_a_connection_ends_is_dropped(tmp_path: Path, event_loop: str, encrypted: bool) -> None:
    outcome: queue.Queue[BaseException | None] = queue.Queue()

    async def late(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        (connection,) = service.register._phases
        assert isinstance(connection, protocol.Connection)
        try:
            connection.expire(Phase.WRITING)
            await applications.answer(send, 200, b"too late")
            connection._pause_reading()
            connection._resume_reading()
        except BaseException as error:
            outcome.put(error)
            raise
        outcome.put(None)

    tls = server_context(tmp_path) if encrypted else None
    with serving(late, tls=tls, event_loop=event_loop) as service:
        plain = service.connect()
        with trusting().wrap_socket(plain) if encrypted else plain as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert outcome.get(timeout=20) is None
            with suppress(OSError):
                assert connection.recv(65536) == b""


@pytest.mark.parametrize(("seconds", "grace", "end"), [(60.0, 0.1, "broken off"), (0.1, 60.0, "done")])
def test_what_is_under_way_for_who_has_left_may_go_on_for_a_while(
    monkeypatch: pytest.MonkeyPatch, seconds: float, grace: float, end: str
) -> None:
    monkeypatch.setattr(limits, "GRACE_SECONDS", grace)
    application = applications.Diligent(seconds)
    with serving(application) as service:
        with service.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert application.begun.wait(20)
        assert application.ends.get(timeout=20) == end


def _until(condition: object) -> None:
    until = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.01)
