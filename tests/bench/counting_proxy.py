"""Passes bytes between clients and a service on this machine, and counts them, both ways."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

PIECE_BYTES = 1 << 16


@dataclass(slots=True, kw_only=True)
class Counted:
    """Where clients connect to; bytes that they sent and got, all of TLS."""

    port: int
    sent: int = 0
    received: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        """Count from 0."""
        self.sent = self.received = 0

    def count(self, sent: int, received: int) -> None:
        """More bytes."""
        with self.lock:
            self.sent += sent
            self.received += received


@contextmanager
def counting(target: int) -> Iterator[Counted]:
    """In front of the port ``target`` of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        counted = Counted(port=listener.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(listener, target, counted), daemon=True)
        thread.start()
        yield counted
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listener: socket.socket, target: int, counted: Counted) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            service = socket.create_connection(("127.0.0.1", target))
            for source, sink, sends in ((client, service, True), (service, client, False)):
                threading.Thread(target=_pass, args=(source, sink, sends, counted), daemon=True).start()


def _pass(source: socket.socket, sink: socket.socket, sends: bool, counted: Counted) -> None:
    with suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            counted.count(len(piece) if sends else 0, 0 if sends else len(piece))
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
