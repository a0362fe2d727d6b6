"""What may listen in place of the service."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

RECEIVED_BYTES = 1 << 12
Answer = Callable[[socket.socket], object]


@contextmanager
def listening(place: int | Path, answer: Answer, *, tls: Path | None = None) -> Iterator[None]:
    """Take connections on a loopback port or a Unix socket; ``tls``: a directory with certificate and key."""
    if isinstance(place, Path):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(place))
        listener.listen()
    else:
        listener = socket.create_server(("127.0.0.1", place))
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "cert.crt", tls / "private.key")
    thread = threading.Thread(target=_serve, args=(listener, context, answer), daemon=True)
    thread.start()
    try:
        yield
    finally:
        # Wakes the thread that waits in accept().
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _serve(listener: socket.socket, context: ssl.SSLContext | None, answer: Answer) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        try:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            answer(connection)
        except OSError:
            continue  # the other side has left
        finally:
            connection.close()


def greeting(connection: socket.socket) -> None:
    """Speak before being asked, as other protocols do."""
    connection.sendall(b"220 mail.example ESMTP\r\n")
    connection.recv(RECEIVED_BYTES)


def silence(connection: socket.socket) -> None:
    """Say nothing until the other side has had enough."""
    connection.settimeout(30.0)
    while connection.recv(RECEIVED_BYTES):
        pass


def http(status: str, body: bytes) -> Answer:
    """One answer to every request."""

    def answer(connection: socket.socket) -> None:
        connection.recv(RECEIVED_BYTES)
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return answer
