"""Reading what may have to be waited for, so that Ctrl-C always ends the wait.

The interpreter notes a signal, and acts on it between two steps of the program. A signal that comes after the last step
before a system call that waits, or while a buffered read makes several such calls, is acted on when the call returns:
where nothing more comes, never. So nothing here waits in ``read``: ``select`` waits for bytes and for signals, which
stay readable in a pipe of their own (``signal.set_wakeup_fd``).
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS_AT_ONCE = 64


class InterruptibleReader:
    """A descriptor with ``read(n)``: exactly ``n`` bytes, fewer at the end. Handlers of signals run while it waits."""

    def __init__(self, descriptor: int, woken: int) -> None:
        self._descriptor = descriptor
        self._woken = woken

    def fileno(self) -> int:
        """The descriptor that is read."""
        return self._descriptor

    def read(self, size: int, /) -> bytes:
        """Wait for ``size`` bytes or the end; raises what handlers of signals raise, and ``OSError``."""
        pieces = []
        while size and (piece := self._next(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _next(self, size: int) -> bytes:
        while self._descriptor not in (ready := select.select((self._descriptor, self._woken), (), ())[0]):
            # Whatever handled the signal did not raise: it is over, and the wait goes on.
            os.read(ready[0], _SIGNALS_AT_ONCE)
        return os.read(self._descriptor, size)


@contextmanager
def interruptible(descriptor: int) -> Iterator[InterruptibleReader]:
    """Read a descriptor so; only the main thread can, since signals are its own."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    before = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    try:
        yield InterruptibleReader(descriptor, woken)
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(waker)
