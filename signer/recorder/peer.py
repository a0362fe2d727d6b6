"""One connection of the recorder: what has come of it and what is still to be sent."""

from __future__ import annotations

import select
import socket

from signer.recorder.protocol import FrameReader

READ_BYTES = 1 << 18
# A worker that does not take its answers is not one that could use them.
MAX_UNSENT_BYTES = 16 << 20


class UnreadAnswers(OSError):
    """The other side leaves too many answers unread."""


class Peer:
    """One connection: what has come of it and what is still to be sent."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.reader = FrameReader()
        self.unsent = bytearray()
        self.wanted = select.EPOLLIN  # what it is waited for

    def receive(self) -> bytes:
        """What has come, b"" for nothing yet; raises ``ConnectionError`` at the end."""
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise ConnectionResetError
        return data

    def send(self, data: bytes = b"") -> None:
        """Send what can be sent now and keep the rest; raises ``OSError``."""
        self.unsent += data
        try:
            sent = self.socket.send(self.unsent)
        except BlockingIOError:
            sent = 0
        del self.unsent[:sent]
        if len(self.unsent) > MAX_UNSENT_BYTES:
            raise UnreadAnswers
