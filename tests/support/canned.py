"""A server that answers with bytes that are made up beforehand, and notes what it was asked."""

from __future__ import annotations

import inspect
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

PATIENCE_SECONDS = 20.0
READ_BYTES = 1 << 16
END_OF_HEAD = b"\r\n\r\n"
END_OF_CHUNKS = b"0\r\n\r\n"


@dataclass(slots=True, kw_only=True)
class Canned:
    """Where it listens, and the request lines and headers of all requests so far."""

    url: str
    heads: list[str] = field(default_factory=list)


Answer = bytes | Callable[[str], bytes] | Callable[[str, bytes], bytes]


@contextmanager
def answering(answer: Answer) -> Iterator[Canned]:
    """The server, on a port of this machine; an answer is sent as it is and the connection ends.

    ``answer``: the same for every request, or made from the request's line and headers, and from its body where it
    takes two.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = Canned(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=_serve, args=(listener, answer, served))
        thread.start()
        try:
            yield served
        finally:
            # Wakes the thread, which closing alone would not.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()


def _serve(listener: socket.socket, answer: Answer, served: Canned) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE_SECONDS)
                with suppress(OSError):
                    head, body = _read_request(connection)
                    served.heads.append(head)
                    connection.sendall(_made(answer, head, body))


def _made(answer: Answer, head: str, body: bytes) -> bytes:
    if isinstance(answer, bytes):
        return answer
    takes_body = len(inspect.signature(answer).parameters) > 1
    made: bytes = answer(head, body) if takes_body else answer(head)  # type: ignore[call-arg]
    return made


def _read_request(connection: socket.socket) -> tuple[str, bytes]:
    received = b""
    while END_OF_HEAD not in received and (part := connection.recv(READ_BYTES)):
        received += part
    head, _, body = received.partition(END_OF_HEAD)
    length = re.search(rb"(?i)^content-length: (\d+)", head, re.MULTILINE)
    chunked = length is None and b"transfer-encoding: chunked" in head.lower()
    while (length and len(body) < int(length[1])) or (chunked and not body.endswith(END_OF_CHUNKS)):
        part = connection.recv(READ_BYTES)
        if not part:
            break
        body += part
    return head.decode("latin-1"), body
