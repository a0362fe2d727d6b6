"""A receiver of notices, as it should be or with a fault, which keeps what came."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.parser import Parser
from enum import Enum

PATIENCE_SECONDS = 30.0
END_OF_HEAD = b"\r\n\r\n"


class Mood(Enum):
    """What it does with a notice; the value is its answer."""

    TAKES = b"HTTP/1.1 204 No Content\r\n\r\n"
    TAKES_WITH_A_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    FAILS = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
    REFUSES = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    REDIRECTS = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
    IS_HUGE = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n" + b"x" * (1 << 17)
    HAS_A_HUGE_HEAD = b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * (1 << 17) + b"\r\n\r\n"
    IS_ANOTHER_PROTOCOL = b"220 mail.example ESMTP\r\n"
    HANGS_UP = b""
    IS_SILENT = b"silent"


@dataclass(frozen=True, slots=True)
class Message:
    """What came."""

    fields: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Listening:
    """Where it listens, what it does next, and what came so far, in order."""

    url: str
    mood: Mood = Mood.TAKES
    elsewhere: str = ""
    messages: queue.Queue[Message] = field(default_factory=queue.Queue)

    def next(self) -> Message:
        """The next one that came, waited for."""
        return self.messages.get(timeout=PATIENCE_SECONDS)

    def quiet(self, seconds: float) -> bool:
        """Whether nothing comes for so long."""
        try:
            self.messages.get(timeout=seconds)
        except queue.Empty:
            return True
        return False


@contextmanager
def receiver(mood: Mood = Mood.TAKES, *, port: int = 0) -> Iterator[Listening]:
    """On a port of this machine. ``port``: the one of a receiver that was down meanwhile."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", port)) as listener:
        listening = Listening(f"http://127.0.0.1:{listener.getsockname()[1]}/hook", mood)
        thread = threading.Thread(target=_serve, args=(listener, listening, over))
        thread.start()
        try:
            yield listening
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE_SECONDS)


def _serve(listener: socket.socket, listening: Listening, over: threading.Event) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.settimeout(PATIENCE_SECONDS)
                listening.messages.put(_message(connection))
                if listening.mood is Mood.IS_SILENT:
                    over.wait(PATIENCE_SECONDS)
                    continue
                connection.sendall(listening.mood.value.replace(b"{elsewhere}", listening.elsewhere.encode()))


def _message(connection: socket.socket) -> Message:
    received = b""
    while END_OF_HEAD not in received and (part := connection.recv(1 << 16)):
        received += part
    head, _, body = received.partition(END_OF_HEAD)
    _, _, lines = head.decode("latin-1").partition("\r\n")
    fields = {name.lower(): value for name, value in Parser().parsestr(lines).items()}
    while len(body) < int(fields["content-length"]) and (part := connection.recv(1 << 16)):
        body += part
    return Message(fields, body)
