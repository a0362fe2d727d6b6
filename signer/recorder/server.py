"""The recorder's loop: takes everything that has come from all workers, and commits it once.

1. One thread. While a commit is under way, what workers send waits in their sockets and becomes the next batch. What
   comes alone is committed at once; where others were here a moment ago, it waits for them, a moment at most
   (``gathering``). So the batches grow with the load.
2. That something is on record is told after the commit, when a durable checkpoint covers it, and never before. A
   connection that is lost meanwhile changes nothing: its entries are recorded, and whoever sends them again is told so.
3. It ends when the service has ended and no worker is connected any more, and not before: signals that stop services
   are ignored (``main``).
"""

from __future__ import annotations

import logging
import os
import select
import socket
import time
from collections import deque
from typing import Protocol

from signer.domain.refusals import RefusedCall
from signer.recorder.desk import Desk, Outside, Records
from signer.recorder.gathering import Gathering
from signer.recorder.meter import Meter
from signer.recorder.peer import READ_BYTES, Peer, UnreadAnswers
from signer.recorder.protocol import FrameError, Ping, Posted, Prove, Tell, Told, frame, packed_figures, parsed_message
from signer.recorder.release import Release

logger = logging.getLogger("artifact-signer.recorder")

MAX_BATCH = 1024
# Of one connection at a turn, so that none keeps the others waiting.
READS_PER_TURN = 8


class Housekeeping(Protocol):
    """What is to be done between commits."""

    def committed(self, records: int) -> None:
        """After a commit of so many records."""

    def idle(self) -> None:
        """When there was nothing to do for a while."""


class RecorderServer:
    """Serves workers on ``listener`` until ``lifeline`` (a pipe's reading end) is closed at its other end.

    ``records``: None where ``release`` gives nothing out from the start.
    """

    def __init__(
        self,
        *,
        listener: socket.socket,
        lifeline: int,
        records: Records | None,
        release: Release,
        housekeeping: Housekeeping | None,
        outside: Outside | None = None,
        meter: Meter | None = None,
        gathering: Gathering | None = None,
    ) -> None:
        self._gathering = gathering or Gathering()
        self._desk = Desk(records=records, release=release, send=self._answer, outside=outside)
        self._meter = meter or Meter(tokens=lambda: 0.0)
        self._housekeeping = housekeeping
        self._listener = listener
        self._lifeline = lifeline
        self._alive = True
        self._peers: dict[int, Peer] = {}
        self._waiting: deque[tuple[Peer, Posted]] = deque()
        self._provers: list[tuple[Peer, int]] = []
        self._refused: list[RefusedCall] = []
        listener.setblocking(False)
        os.set_blocking(lifeline, False)
        self._poller = select.epoll()
        self._poller.register(listener, select.EPOLLIN)
        self._poller.register(lifeline, select.EPOLLIN)
        self._results = self._desk.descriptor
        if self._results is not None:
            self._poller.register(self._results, select.EPOLLIN)

    def run(self) -> bool:
        """Serve until there is nobody left to serve; False where another process has to begin anew before that."""
        while self._alive or self._peers or self._waiting or self._desk.waiting:
            self.turn(self._left if self._waiting else self._desk.patience)
            if self._desk.has_to_end():
                break
        # Of one that has to end, workers send what they have no answer to again, to the next one.
        done = not self._desk.has_to_end()
        for peer in list(self._peers.values()):
            self._close(peer)
        self._poller.close()
        return done

    def turn(self, timeout: float) -> None:
        """Take what has come within ``timeout`` seconds, and commit it."""
        self._take_events(timeout)
        if self._left:
            return
        batch = self._batch()
        if batch:
            self._desk.commit(batch)
            if self._housekeeping is not None:
                self._housekeeping.committed(len(batch))
        elif self._desk.quiet and self._housekeeping is not None:
            self._housekeeping.idle()
        if self._refused:
            refused, self._refused = self._refused, []
            self._desk.tell(refused)
        if self._provers:
            provers, self._provers = self._provers, []
            self._desk.prove(provers)
        elif not batch or self._desk.troubled:
            # In trouble also between batches: those that are refused must not keep it from being over.
            self._desk.rest()

    @property
    def _left(self) -> float:
        """Seconds for which what has come still waits for more."""
        return self._gathering.left(time.monotonic(), waiting=len(self._waiting))

    def _take_events(self, timeout: float) -> None:
        for descriptor, events in self._poller.poll(timeout):
            peer = self._peers.get(descriptor)
            if peer is not None:
                self._serve(peer, events)
            elif descriptor == self._results:
                self._desk.settle()
            elif descriptor == self._listener.fileno():
                self._accept()
            elif descriptor == self._lifeline:
                self._look_at_lifeline()
            # Else it was closed meanwhile, when it was answered.

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # nobody else, or no descriptors left: the next turn tries again
                return
            self._peers[connection.fileno()] = peer = Peer(connection)
            self._poller.register(connection, select.EPOLLIN)
            self._serve(peer, select.EPOLLIN)

    def _look_at_lifeline(self) -> None:
        if not os.read(self._lifeline, 1):
            self._alive = False
            self._poller.unregister(self._lifeline)
            logger.info("the service has ended, %d workers are still connected", len(self._peers))

    def _serve(self, peer: Peer, events: int) -> None:
        try:
            # What came before its end is read, although nothing can be sent any more.
            if events & ~select.EPOLLIN and peer.unsent:
                self._send(peer, b"")
            if events & ~select.EPOLLOUT:  # its end among them
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
        elif isinstance(message, Tell):
            self._send(peer, frame(packed_figures(Told(message.number, self._meter.figures()))))
        elif isinstance(message, Prove):
            self._provers.append((peer, message.number))
        else:
            for each in message:
                if isinstance(each, RefusedCall):
                    self._refused.append(each)
                else:
                    self._waiting.append((peer, each))
            self._gathering.came(time.monotonic(), waiting=len(self._waiting), held=self._desk.held)

    def _batch(self) -> list[tuple[Peer, Posted]]:
        """The entries of the next commit: the oldest ones whose senders still wait."""
        now = time.monotonic()
        if self._waiting:
            self._gathering.begun(now)
        batch: list[tuple[Peer, Posted]] = []
        while self._waiting and len(batch) < MAX_BATCH:
            peer, posted = self._waiting.popleft()
            if posted.deadline > now:
                batch.append((peer, posted))
        return batch

    def _answer(self, peer: Peer, document: object) -> None:
        try:
            self._send(peer, frame(document))
        except UnreadAnswers:
            self._close(peer)
        except OSError:
            # It does not listen any more. What it said before is still read, up to its end.
            peer.unsent.clear()

    def _send(self, peer: Peer, data: bytes) -> None:
        if peer.socket.fileno() < 0:
            return
        peer.send(data)
        wanted = select.EPOLLIN | (select.EPOLLOUT if peer.unsent else 0)
        if peer.wanted != wanted:
            peer.wanted = wanted
            self._poller.modify(peer.socket, wanted)

    def _close(self, peer: Peer) -> None:
        descriptor = peer.socket.fileno()
        if self._peers.pop(descriptor, None) is not None:
            self._poller.unregister(peer.socket)
            peer.socket.close()
