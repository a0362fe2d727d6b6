"""SHA-256 of a stream, here or in a worker thread; the results are the same.

``hashlib`` releases the interpreter's lock, so a worker hashes one piece while the caller reads or
decompresses the next. At most ``_PIECES_WAITING`` pieces wait, so memory stays flat.
"""

from __future__ import annotations

import hashlib
import queue
import threading

_PIECES_WAITING = 2
_ALIVE_CHECK_SECONDS = 5.0


class Digest:
    """A SHA-256 that is computed where it is fed."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def update(self, data: memoryview) -> None:
        """Take the next bytes; they may change after the call."""
        self._sha256.update(data)

    def hexdigest(self) -> str:
        """Lowercase hex of everything so far."""
        return self._sha256.hexdigest()


class Hasher:
    """A worker thread that computes digests one after another, in the order they are asked for."""

    def __init__(self) -> None:
        self._work: queue.Queue[tuple[Digest, memoryview] | threading.Event | None] = queue.Queue(
            maxsize=_PIECES_WAITING
        )
        self._thread: threading.Thread | None = None

    def update(self, digest: Digest, data: memoryview) -> None:
        """Hash ``data``, which must not change until ``settle`` returns, or the piece after next is taken."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="verifier-sha256", daemon=True)
            self._thread.start()
        self._put((digest, data))

    def settle(self) -> None:
        """Wait until everything given so far is hashed."""
        done = threading.Event()
        self._put(done)
        while not done.wait(_ALIVE_CHECK_SECONDS):
            self._check_alive()

    def close(self) -> None:
        """End the thread, once it has hashed what it was given; without work there never was one."""
        if self._thread is not None:
            self._put(None)
            self._thread.join(_ALIVE_CHECK_SECONDS)
            self._thread = None

    def _put(self, item: tuple[Digest, memoryview] | threading.Event | None) -> None:
        while True:
            try:
                return self._work.put(item, timeout=_ALIVE_CHECK_SECONDS)
            except queue.Full:
                self._check_alive()

    def _check_alive(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            raise RuntimeError("the hashing thread ended early")

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
            else:
                digest, data = item
                digest.update(data)
            del item
