"""Has checkpoints signed and written, one at a time, in a thread of its own.

1. It certifies only what it is given: a ``VerifiedLog``. What is given while a checkpoint is under way waits, and the
   newest of it is the next one.
2. A checkpoint counts when it is durable in the file, and not before.
3. A token that does not answer, or a database, is told as a failure, and the next order tries again. A disk that
   failed is told as ``CheckpointNotWritten``, and after that nothing is certified any more.
"""

from __future__ import annotations

import os
import threading
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
        self._lock = threading.Condition()
        self._orders = 0
        self._wanted: VerifiedLog | None = None
        self._results: list[Certified | Failed] = []
        self._ended = False
        self.descriptor, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="checkpointer", daemon=True)
        self._thread.start()

    def order(self, log: VerifiedLog) -> int:
        """Have ``log`` certified; gives the number of the order. It takes the place of one that is not begun yet."""
        with self._lock:
            self._orders += 1
            self._wanted = log
            self._lock.notify()
            return self._orders

    def results(self) -> list[Certified | Failed]:
        """What has become of orders since the last call, oldest first."""
        with self._lock:
            results, self._results = self._results, []
            with suppress(BlockingIOError):
                os.read(self.descriptor, 1 << 10)
        return results

    def close(self) -> None:
        """End the thread, when what is under way is done."""
        with self._lock:
            self._ended = True
            self._lock.notify()
        self._thread.join()
        os.close(self.descriptor)
        os.close(self._wake)

    def _run(self) -> None:
        while True:
            with self._lock:
                while self._wanted is None and not self._ended:
                    self._lock.wait()
                if self._wanted is None:
                    return
                log, order = self._wanted, self._orders
                self._wanted = None
            result = self._certified(log, order)
            with self._lock:
                self._results.append(result)
                os.write(self._wake, b"\x00")

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
