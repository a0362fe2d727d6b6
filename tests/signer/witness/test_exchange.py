"""An exchange with somebody who is slow, huge, or speaks otherwise: it ends, in time, with a reason."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from signer.addresses import Address
from signer.http_exchange import Answered, ExchangeFailed, Limits, exchange
from tests.support.canned import answering
from tests.support.certificates import self_signed

BODY = b"old 0\n"
LIMITS = Limits(seconds=2.0, body_bytes=10_000)


def ask(url: str, *, tls: ssl.SSLContext | None = None, body: bytes = BODY) -> Answered:
    return asyncio.run(
        exchange(Address.parse(url), "POST", "/x", body, tls=tls or ssl.create_default_context(), limits=LIMITS)
    )


def http(status: int, body: bytes, *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


ANSWERS = {
    "a success": (http(200, b"yes", "Content-Type: text/plain; charset=utf-8"), Answered(
        status=200, media_type="text/plain", body=b"yes")),
    "a redirect": (http(302, b"", "Location: https://elsewhere.example/"), Answered(
        status=302, media_type="", body=b"")),
    "chunks": (
        b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nye\r\n1\r\ns\r\n0\r\n\r\n", Answered(
            status=200, media_type="", body=b"yes")),
    "a body up to the end of the connection": (b"HTTP/1.0 200 x\r\n\r\nyes", Answered(
        status=200, media_type="", body=b"yes")),
    "patience first": (b"HTTP/1.1 103 x\r\n\r\n" * 3 + http(200, b"yes"), Answered(
        status=200, media_type="", body=b"yes")),
    "more than its answer": (http(200, b"yes") + http(200, b"no"), Answered(status=200, media_type="", body=b"yes")),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "answered"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is(sent: bytes, answered: Answered) -> None:
    with answering(sent) as server:
        assert ask(server.url) == answered
    assert server.heads[0].startswith("POST /x HTTP/1.1\r\n")


FAILURES = {
    "nothing": b"",
    "half an answer": http(200, b"yes")[:-1],
    "half a head": b"HTTP/1.1 200 x\r\nContent-",
    "no HTTP": b"\x16\x03\x01" * 20 + b"\r\n\r\n",
    "HTML": b"<html>\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "a length that is none": b"HTTP/1.1 200 x\r\nContent-Length: -1\r\n\r\nx",
    "a huge head": b"HTTP/1.1 200 x\r\nX: " + b"x" * 300_000,
    "a huge body": http(200, b"x" * 10_001),
    "a huge body in chunks": b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"1000\r\n" + b"x" * 4096 + b"\r\n" + b"2000\r\n" + b"x" * 8192 + b"\r\n0\r\n\r\n",
    "a chunk of no size": b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "an upgrade": b"HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("sent", FAILURES.values(), ids=FAILURES)
def test_no_answer_is(sent: bytes) -> None:
    with answering(sent) as server, pytest.raises(ExchangeFailed):
        ask(server.url)


@contextmanager
def dripping(start: bytes, more: bytes, pause: float) -> Iterator[str]:
    """A server that sends a piece now and then, for as long as somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(start)
                    while True:
                        connection.sendall(more)
                        time.sleep(pause)  # how slow this server is

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)
            assert not thread.is_alive()


SLOW = {
    "a head that never ends": (b"HTTP/1.1 200 x\r\n", b"a"),
    "a body that never ends": (b"HTTP/1.1 200 x\r\nContent-Length: 9999\r\n\r\n", b"a"),
    "patience without end": (b"", b"HTTP/1.1 103 x\r\n\r\n"),
    "a trailer that never ends": (b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a"),
}


@pytest.mark.parametrize(("start", "more"), SLOW.values(), ids=SLOW)
def test_the_time_is_a_total(start: bytes, more: bytes) -> None:
    started = time.monotonic()
    with dripping(start, more, 0.05) as url, pytest.raises(ExchangeFailed, match="within 2 seconds"):
        ask(url)
    assert time.monotonic() - started < LIMITS.seconds + 5


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ExchangeFailed):
        ask(f"http://127.0.0.1:{port}")


def test_a_server_that_does_not_read_is_not_waited_for_longer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ExchangeFailed, match="within"):
        ask(f"http://127.0.0.1:{listener.getsockname()[1]}", body=b"x" * (8 << 20))


@contextmanager
def tls_server(directory: Path) -> Iterator[str]:
    """One answer over TLS."""
    certificate, private_key = self_signed(directory, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private_key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError):
                plain, _ = listener.accept()
                with context.wrap_socket(plain, server_side=True) as connection:
                    # Head and body come apart. What nobody has read when it is closed resets the connection.
                    received = b""
                    while not received.endswith(BODY) and (part := connection.recv(1 << 16)):
                        received += part
                    connection.sendall(http(200, b"yes"))

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        thread.join(20)


def test_https_needs_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    with tls_server(tmp_path) as url, pytest.raises(ExchangeFailed):
        ask(url)
    with tls_server(tmp_path) as url:
        trusting = ssl.create_default_context(cafile=tmp_path / "localhost.crt")
        assert ask(url, tls=trusting).body == b"yes"


def test_https_is_never_spoken_in_plain_text() -> None:
    with answering(http(200, b"yes")) as server, pytest.raises(ExchangeFailed):
        ask(server.url.replace("http://", "https://"))
