"""Answers what comes over the channels, until the parent closes them.

1. A channel that callers borrow carries one request at a time and is read by one thread. The channel of an event loop
   carries many and is read by as many threads as there are signatures at once: the kernel gives each message to one.
2. The items of a batch are signed in groups: the first by the thread that read the batch, all others by whichever
   thread is free, that one or a helper. So a batch of a few items is never handed from thread to thread, slow
   signatures too: side by side on few processors all of them would be done late.
3. Groups are sent as they are made. A slow signature is a group of its own: it goes on its way while the next is made.
   Who sends the last one says so, in the same hold of the batch's lock in which it
   found that it is the last: else ``DONE`` could overtake an answer.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from hsm.errors import TokenError, TokenUnavailable
from hsm.protocol.messages import MAX_FRAME, Op, RequestMessage, Status, parse_request, reply
from hsm.protocol.refusals import pack_error
from hsm.protocol.signing import Batch, Outcome, pack_answers, unpack_batch
from hsm.protocol.values import WireError
from hsm.worker.batches import BatchSigner
from hsm.worker.groups import FEW, Groups
from hsm.worker.handlers import Handlers
from hsm.worker.recovery import TokenLost

Leave = Callable[[TokenError | None], object]


class Responder:
    """``helpers``: threads that join in large batches. ``leave``: ends the process; None: the parent makes no sense."""

    def __init__(
        self, handlers: Handlers, signer: BatchSigner, *, helpers: int, leave: Leave, clock: Callable[[], float]
    ) -> None:
        self._handlers = handlers
        self._signer = signer
        self._groups = Groups(clock)
        self._leave = leave
        self._helpers = helpers
        self._wanted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        for _ in range(helpers):
            threading.Thread(target=self._help, daemon=True).start()

    def serve(self, channel: socket.socket) -> None:
        """Answer the requests of ``channel`` until its end."""
        buffer = memoryview(bytearray(MAX_FRAME + 1))
        with suppress(OSError):  # the parent is gone; the end of life is noticed elsewhere
            while size := channel.recv_into(buffer):
                self._guarded(self._answer, channel, bytes(buffer[:size]))

    def _help(self) -> None:
        while True:
            with suppress(OSError):
                self._guarded(self._wanted.get())

    def _guarded(self, action: Callable[..., None], *arguments: object) -> None:
        try:
            action(*arguments)
        except TokenLost as lost:
            self._leave(lost.error)
        except WireError:
            self._leave(None)

    def _answer(self, channel: socket.socket, data: bytes) -> None:
        request = parse_request(data)
        if request.op is not Op.SIGN:
            self._answer_one(channel, request)
            return
        work = _Work(self._signer, self._groups, unpack_batch(request.body), channel, request.id)
        for _ in range(min(self._helpers, work.worthwhile - 1)):
            self._wanted.put(work.join)
        work.join()

    def _answer_one(self, channel: socket.socket, request: RequestMessage) -> None:
        try:
            self._handlers.answer(request, lambda status, body: _send(channel, status, request.id, body))
        except TokenLost as lost:
            channel.send(reply(Status.ERROR, request.id, pack_error(lost.answer)))
            raise
        except TokenError as error:
            channel.send(reply(Status.ERROR, request.id, pack_error(error)))
        except (WireError, OSError):
            raise
        except Exception as fault:  # noqa: BLE001  (nobody is shown a traceback)
            channel.send(reply(Status.ERROR, request.id, pack_error(internal(fault))))


class _Work:
    """One batch under way."""

    def __init__(
        self, signer: BatchSigner, groups: Groups, batch: Batch, channel: socket.socket, request_id: int
    ) -> None:
        self._signer = signer
        self._groups = groups
        self._batch = batch
        self._channel = channel
        self._id = request_id
        count, size = len(batch.items), groups.size(batch)
        # Taken from by any thread: the operations of a deque are atomic.
        self._waiting = deque(range(start, min(start + size, count)) for start in range(0, count, size))
        self.worthwhile = -(-count // max(size, FEW))  # threads
        self._sending = threading.Lock()  # guards the one below, and the order of the last two answers
        self._unanswered = len(self._waiting)

    def join(self) -> None:
        """Sign groups until none is left; raises ``TokenLost`` after the answers were sent."""
        while self._waiting:
            try:
                numbers = self._waiting.popleft()
            except IndexError:
                return
            answers, lost = self._signed(numbers)
            self._send(answers)
            if lost is not None:
                raise lost

    def _signed(self, numbers: range) -> tuple[list[tuple[int, Outcome]], TokenLost | None]:
        began = self._groups.clock()
        try:
            answers, lost = self._signer.sign(self._batch, numbers)
        except WireError:
            raise
        except Exception as fault:  # noqa: BLE001  (nobody is shown a traceback)
            return [(number, internal(fault)) for number in numbers], None
        self._groups.learn(self._batch, answers, began=began)
        return answers, lost

    def _send(self, answers: list[tuple[int, Outcome]]) -> None:
        body = pack_answers(answers)
        with self._sending:
            self._unanswered -= 1
            status = Status.ITEM if self._unanswered else Status.DONE
            self._channel.send(reply(status, self._id, body))


def _send(channel: socket.socket, status: Status, request_id: int, body: bytes) -> None:
    channel.send(reply(status, request_id, body))


def internal(fault: BaseException) -> TokenUnavailable:
    """What is said of a fault of ours: its kind, never its text."""
    return TokenUnavailable(reason=f"internal {type(fault).__name__}")
