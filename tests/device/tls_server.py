"""A TLS server in this process that answers each connection with the same bytes, as slowly as is wanted."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\n\r\nok"


@dataclass
class TlsServer:
    """``pieces``: sent one after the other, ``pause`` seconds apart. ``heard``: what came, of each connection,
    up to the word ``secret``."""

    context: ssl.SSLContext
    listener: socket.socket
    pieces: list[bytes] = field(default_factory=lambda: [OK])
    pause: float = 0.0
    silent: bool = False
    heard: list[bytes] = field(default_factory=list)
    shown: list[bytes | None] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def switch(self, pair: Path) -> None:
        """Another certificate from the next connection on."""
        self.context = server_context(pair)

    def close(self) -> None:
        """No more connections."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody who waits for one
        self.listener.close()

    def serve(self) -> None:
        while not self.stopping.is_set():
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            plain.settimeout(5.0)
            with plain, suppress(OSError):
                if self.silent:
                    self.stopping.wait(5.0)
                    continue
                with self.context.wrap_socket(plain, server_side=True) as secured:
                    self.answer(secured)

    def answer(self, secured: ssl.SSLSocket) -> None:
        self.shown.append(secured.getpeercert(binary_form=True))
        heard = b""
        while not heard.endswith(b"secret") and (piece := secured.recv(1 << 16)):
            heard += piece
        self.heard.append(heard)
        for piece in self.pieces:
            secured.sendall(piece)
            self.stopping.wait(self.pause)


def server_context(pair: Path, *, client_ca: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


@contextmanager
def tls_server(pair: Path, *, client_ca: Path | None = None) -> Iterator[TlsServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = TlsServer(context=server_context(pair, client_ca=client_ca), listener=listener)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.close()
        thread.join(10.0)
        assert not thread.is_alive()
