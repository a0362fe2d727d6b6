"""The bytes of a key file or a proof: bounded, and read without waiting for ever for somebody to write them.

A pipe is a file too, and a shell gives one where the key is another command's output; one that nobody writes to
must not hang a command in a pipeline.
"""

from __future__ import annotations

import errno
import os
import stat
import time

LONGEST_SECONDS = 10.0
"""That a command waits for somebody who writes a pipe to its end."""


def read_bounded(path: str, *, most_bytes: int, most_seconds: float, regular: bool) -> bytes:
    """At most ``most_bytes`` of the file; raises ``OSError``, also where it does not end within ``most_seconds``.

    ``regular``: nothing else than a regular file will do.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.read(descriptor, most_bytes)
        if regular:
            raise OSError(errno.EINVAL, "it is not a regular file")
        return _read_from_pipe(descriptor, most_bytes, time.monotonic() + most_seconds)
    finally:
        os.close(descriptor)


def _read_from_pipe(descriptor: int, most_bytes: int, deadline: float) -> bytes:
    import select

    content = b""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while len(content) < most_bytes:
        left = deadline - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            raise OSError(errno.ETIMEDOUT, "nobody wrote it to its end in time")
        piece = os.read(descriptor, most_bytes - len(content))
        if not piece:
            break
        content += piece
    return content
