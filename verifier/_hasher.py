"""SHA-256 in a worker thread; the results are those of hashing in place.

``hashlib`` releases the interpreter's lock, so the worker hashes one piece while the caller reads or decompresses
the next. At most ``_PIECES_WAITING`` pieces wait, so memory stays flat.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib

_PIECES_WAITING = 2
_ALIVE_CHECK_SECONDS = 5.0


class Hasher:
    """A worker thread that feeds digests, in the order of the calls."""

    def __init__(self) -> None:
        self._work: queue.Queue[tuple[hashlib._Hash, memoryview] | threading.Event | None] = queue.Queue(
            maxsize=_PIECES_WAITING
        )
        self._thread = threading.Thread(target=self._run, name="verifier-sha256", daemon=True)
        self._thread.start()

    def update(self, digest: hashlib._Hash, data: memoryview) -> None:
        """Feed ``data`` to ``digest``; neither may be touched before ``settle`` has returned."""
        self._put((digest, data))

    def settle(self) -> None:
        """Wait until everything given so far is hashed."""
        done = threading.Event()
        self._put(done)
        while not done.wait(_ALIVE_CHECK_SECONDS):
            self._check_alive()

    def close(self) -> None:
        """End the thread, once it has hashed what it was given; may be called again."""
        if self._thread.is_alive():
            self._put(None)
            self._thread.join(_ALIVE_CHECK_SECONDS)

    def _put(self, item: tuple[hashlib._Hash, memoryview] | threading.Event | None) -> None:
        while True:
            try:
                return self._work.put(item, timeout=_ALIVE_CHECK_SECONDS)
            except queue.Full:
                self._check_alive()

    def _check_alive(self) -> None:
        if not self._thread.is_alive():
            raise RuntimeError("the hashing thread ended early")

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
            else:
                digest, data = item
                digest.update(data)
