"""Where the recorder of an installation listens. Paths of any length: the kernel's own limit is 107 bytes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = "recorder"
SOCKET = "recorder.sock"
BACKLOG = 256


def socket_path(directory: Path) -> Path:
    """The socket, below the spool directory of the installation, in a folder that only its user may enter."""
    return directory / FOLDER / SOCKET


def listening(path: Path) -> socket.socket:
    """A listening socket in place of whatever was there; only who holds the installation's lock may do this."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(path) as name:
            made.bind(name)
        made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def connected(path: Path) -> socket.socket:
    """A connection that blocks in nothing; raises ``OSError``, also where the queue is full."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with _short(path) as name:
            made.connect(name)
    except BaseException:
        made.close()
        raise
    return made


@contextmanager
def _short(path: Path) -> Iterator[str]:
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
