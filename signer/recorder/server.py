"""The recorder's loop: takes everything that has come from all workers, and commits it once.

1. One thread. While a commit is under way, what workers send waits in their sockets and becomes the next batch; an
   idle recorder commits at once. So the batches grow with the load and nobody waits for a timer.
2. An answer is sent after the commit and never before it. A connection that is lost meanwhile changes nothing: its
   entries are recorded, and whoever sends them again is told so.
3. It ends when the service has ended and no worker is connected any more, and not before: signals that stop services
   are ignored (``main``).
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from signer.domain.records import Outcome, SignatureEntry
from signer.errors import RecorderUnavailable, SignerError
from signer.logs import origin
from signer.recorder.protocol import (
    Answer,
    FrameError,
    FrameReader,
    Ping,
    Posted,
    frame,
    packed_answer,
    parsed_message,
)

logger = logging.getLogger("artifact-signer.recorder")

MAX_BATCH = 1024
READ_BYTES = 1 << 18
# Of one connection at a turn, so that none keeps the others waiting.
READS_PER_TURN = 8
# A worker that does not take its answers is not one that could use them.
MAX_UNSENT_BYTES = 16 << 20
IDLE_SECONDS = 0.5


class Records(Protocol):
    """Where records are kept, as ``storage`` does it."""

    def record_many(self, entries: Sequence[SignatureEntry]) -> list[Outcome]:
        """An outcome for each entry, durable when the call returns; raises a ``SignerError``."""


class Housekeeping(Protocol):
    """What is to be done between commits."""

    def committed(self, records: int) -> None:
        """After a commit of so many records."""

    def idle(self) -> None:
        """When there was nothing to do for a while."""


class UnreadAnswers(OSError):
    """The other side leaves too many answers unread."""


class Peer:
    """One connection: what has come of it and what is still to be sent."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.reader = FrameReader()
        self.unsent = bytearray()

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


class RecorderServer:
    """Serves workers on ``listener`` until ``lifeline`` (a pipe's reading end) is closed at its other end."""

    def __init__(
        self, *, listener: socket.socket, lifeline: int, records: Records, housekeeping: Housekeeping | None
    ) -> None:
        self._records = records
        self._housekeeping = housekeeping
        self._listener = listener
        self._lifeline = lifeline
        self._alive = True
        self._peers: dict[int, Peer] = {}
        self._waiting: deque[tuple[Peer, Posted]] = deque()
        self._trouble: str | None = None
        self._busy = False
        listener.setblocking(False)
        os.set_blocking(lifeline, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(lifeline, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until there is nobody left to serve."""
        while self._alive or self._peers or self._waiting:
            self.turn(0.0 if self._waiting else IDLE_SECONDS)
        self._selector.close()

    def turn(self, timeout: float) -> None:
        """Take what has come within ``timeout`` seconds, and commit it."""
        for key, events in self._selector.select(timeout):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fd == self._lifeline:
                self._look_at_lifeline()
            else:
                self._serve(self._peers[key.fd], events)
        batch = self._batch()
        if batch:
            self._commit(batch)
        elif not self._busy and self._housekeeping is not None:
            self._housekeeping.idle()
        self._busy = bool(batch)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # nobody else, or no descriptors left: the next turn tries again
                return
            self._peers[connection.fileno()] = peer = Peer(connection)
            self._selector.register(connection, selectors.EVENT_READ)
            self._serve(peer, selectors.EVENT_READ)

    def _look_at_lifeline(self) -> None:
        if not os.read(self._lifeline, 1):
            self._alive = False
            self._selector.unregister(self._lifeline)
            logger.info("the service has ended, %d workers are still connected", len(self._peers))

    def _serve(self, peer: Peer, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._send(peer, b"")
            if events & selectors.EVENT_READ:
                self._read(peer)
        except FrameError:
            logger.warning("a connection said what cannot be understood and was closed")
            self._close(peer)
        except OSError:
            self._close(peer)

    def _read(self, peer: Peer) -> None:
        for _ in range(READS_PER_TURN):
            data = peer.receive()
            for body in peer.reader.feed(data):
                self._take(peer, body)
            if len(data) < READ_BYTES:
                return

    def _take(self, peer: Peer, body: bytes) -> None:
        message = parsed_message(body)
        if isinstance(message, Ping):
            self._send(peer, frame({"pong": message.number}))
        else:
            self._waiting.extend((peer, posted) for posted in message)

    def _batch(self) -> list[tuple[Peer, Posted]]:
        """The entries of the next commit: the oldest ones whose senders still wait."""
        now = time.monotonic()
        batch: list[tuple[Peer, Posted]] = []
        while self._waiting and len(batch) < MAX_BATCH:
            peer, posted = self._waiting.popleft()
            if posted.deadline > now:
                batch.append((peer, posted))
        return batch

    def _commit(self, batch: list[tuple[Peer, Posted]]) -> None:
        entries = [posted.entry for _, posted in batch]
        answers = self._recorded(entries)
        by_peer: dict[int, tuple[Peer, list[object]]] = {}
        for (peer, posted), answer in zip(batch, answers, strict=True):
            said = by_peer.setdefault(id(peer), (peer, []))[1]
            said.append(packed_answer(posted.entry.record_id, answer))
        for peer, said in by_peer.values():
            self._answer(peer, said)
        if self._housekeeping is not None:
            self._housekeeping.committed(len(entries))

    def _recorded(self, entries: Sequence[SignatureEntry]) -> Sequence[Answer]:
        try:
            answers = self._records.record_many(entries)
        except SignerError as error:
            self._note(error.code, error.code)
            return [error] * len(entries)
        except Exception as error:  # noqa: BLE001  (the recorder goes on; nothing of this batch is given out)
            self._note("unforeseen", origin(error))
            return [RecorderUnavailable()] * len(entries)
        self._note(None, "")
        return answers

    def _note(self, trouble: str | None, told: str) -> None:
        if trouble == self._trouble:
            return
        if trouble is None:
            logger.info("signatures are recorded again")
        else:
            logger.error("signatures cannot be recorded: %s", told)
        self._trouble = trouble

    def _answer(self, peer: Peer, said: list[object]) -> None:
        try:
            self._send(peer, frame({"outcomes": said}))
        except UnreadAnswers:
            self._close(peer)
        except OSError:
            # It does not listen any more. What it said before is still read, up to its end.
            peer.unsent.clear()

    def _send(self, peer: Peer, data: bytes) -> None:
        if peer.socket.fileno() < 0:
            return
        peer.send(data)
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.unsent else 0)
        if self._selector.get_key(peer.socket).events != wanted:
            self._selector.modify(peer.socket, wanted)

    def _close(self, peer: Peer) -> None:
        descriptor = peer.socket.fileno()
        if self._peers.pop(descriptor, None) is not None:
            self._selector.unregister(peer.socket)
            peer.socket.close()
