"""Has checkpoints signed and written, one at a time, in a thread of its own.

1. It certifies only what it is given: a ``VerifiedLog``. What is given while a checkpoint is under way waits, and the
   newest of it is the next one.
2. A checkpoint counts when it is durable in the file, and not before.
3. A token that does not answer, or a database, is told as a failure, and the next order tries again. A disk that
   failed is told as ``CheckpointNotWritten``, and after that nothing is certified any more.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from hsm.errors import TokenError
from signer.domain.verified_log import VerifiedLog
from signer.errors import CheckpointNotWritten, CheckpointUnavailable, SignerError

Failure = CheckpointUnavailable | CheckpointNotWritten


class Slots(Protocol):
    """Where checkpoints are kept, as ``storage`` does it."""

    def write(self, *, note: bytes, log: VerifiedLog) -> object:
        """Durable when the call returns; raises ``CheckpointNotWritten``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A checkpoint that is durable. ``order``: of the order that it fulfils, and of all before it."""

    order: int
    size: int
    note: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A checkpoint that there is not, and why."""

    order: int
    failure: Failure


class Checkpointer:
    """Certifies what it is ordered to. ``descriptor`` can be read from when there are ``results``."""

    def __init__(self, *, sign: Callable[[VerifiedLog], bytes], slots: Slots) -> None:
        self._sign = sign
        self._slots = slots
        self._orders = 0
        # Both are used by two threads without a lock of their own: who is woken would wait for it at once.
        self._wanted: queue.SimpleQueue[tuple[int, VerifiedLog] | None] = queue.SimpleQueue()
        self._results: deque[Certified | Failed] = deque()
        self.descriptor, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="checkpointer", daemon=True)
        self._thread.start()

    def order(self, log: VerifiedLog) -> int:
        """Have ``log`` certified; gives the number of the order. It takes the place of one that is not begun yet.

        For one thread, as are ``results`` and ``close``.
        """
        self._orders += 1
        self._wanted.put((self._orders, log))
        return self._orders

    def results(self) -> list[Certified | Failed]:
        """What has become of orders since the last call, oldest first."""
        with suppress(BlockingIOError):
            os.read(self.descriptor, 1 << 10)
        # Read before: what comes from here on wakes whoever asks once more.
        return [self._results.popleft() for _ in range(len(self._results))]

    def close(self) -> None:
        """End the thread, when what is under way is done."""
        self._wanted.put(None)
        self._thread.join()
        os.close(self.descriptor)
        os.close(self._wake)

    def _run(self) -> None:
        while (wanted := self._newest()) is not None:
            order, log = wanted
            self._results.append(self._certified(log, order))
            with suppress(BlockingIOError):  # it can be read from already
                os.write(self._wake, b"\x00")

    def _newest(self) -> tuple[int, VerifiedLog] | None:
        """The newest order, when there is one; None at the end, after the last one."""
        wanted = self._wanted.get()
        while wanted is not None and not self._wanted.empty():
            following = self._wanted.get()
            if following is None:
                self._wanted.put(None)
                break
            wanted = following
        return wanted

    def _certified(self, log: VerifiedLog, order: int) -> Certified | Failed:
        try:
            note = self._sign(log)
            self._slots.write(note=note, log=log)
        except CheckpointNotWritten as error:
            return Failed(order=order, failure=error)
        except (TokenError, SignerError) as error:
            return Failed(order=order, failure=CheckpointUnavailable(reason=error.code))
        except Exception as error:  # noqa: BLE001  (whatever it is, nothing is certified by it)
            return Failed(order=order, failure=CheckpointUnavailable(reason=type(error).__name__))
        return Certified(order=order, size=log.size, note=note)
