"""A file that appears under its name only when it is complete, and on the disk.

1. Nothing has the name before its content is synced; then the name is given in one step, and its directory synced.
2. Where it ends by an exception, an interruption among them, nothing is left, and what had the name has it still.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# What the umask leaves of this is the mode of a file that there was not.
MODE = 0o666
DRAFT_MODE = 0o600
NAME_BYTES = 8
# How much of the name a draft is named after: names have at most 255 bytes.
NAMED_AFTER = 48
PERMISSIONS = 0o777
GROUP, OTHERS, GROUP_SHIFT = 0o070, 0o007, 3
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NewFile:
    """To be written inside a ``with``, at whose end it has its name, unless ``put`` gave it before.

    Args:
        mode: permissions of a file that there was not, of which the umask leaves what it leaves.
        like: of the file whose place it takes: permissions and owner are kept, as far as that is allowed.
    """

    def __init__(self, path: Path, *, mode: int = MODE, like: os.stat_result | None = None) -> None:
        self._path = path
        self._mode = mode
        self._like = like
        self._draft = path.parent / f".{path.name[:NAMED_AFTER]}.{secrets.token_hex(NAME_BYTES)}"
        self._file: BinaryIO
        self._put = False

    def __enter__(self) -> NewFile:
        try:
            descriptor = os.open(self._draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, DRAFT_MODE)
            self._file = os.fdopen(descriptor, "wb")
        except BaseException:
            # The name is nobody else's; an interruption may have come after it was made.
            self._draft.unlink(missing_ok=True)
            raise
        return self

    @property
    def was_put(self) -> bool:
        """Whether it has its name."""
        return self._put

    def write(self, chunk: bytes) -> None:
        """Append."""
        self._file.write(chunk)

    def fileno(self) -> int:
        """The descriptor, with all that was written passed on to the system."""
        self._file.flush()
        return self._file.fileno()

    def stage(self) -> None:
        """All was written: have it on the disk."""
        descriptor = self.fileno()
        _give_access(descriptor, self._mode, self._like)
        os.fsync(descriptor)

    def put(self) -> None:
        """Give it its name; ``stage`` came before."""
        with _undisturbed():
            self._draft.replace(self._path)
            self._put = True
            sync_directory(self._path.parent)

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        try:
            if kind is None and not self._put:
                self.stage()
                self.put()
        finally:
            if not self._put:
                self._draft.unlink(missing_ok=True)
            self._file.close()


def sync_directory(directory: Path) -> None:
    """Have the names in it on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_access(descriptor: int, mode: int, like: os.stat_result | None) -> None:
    if like is None:
        umask = os.umask(0)
        os.umask(umask)
        os.fchmod(descriptor, mode & ~umask)
        return
    permissions = like.st_mode & PERMISSIONS
    own = os.fstat(descriptor)
    try:
        if (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
            os.fchown(descriptor, like.st_uid, like.st_gid)
    except PermissionError:
        # Another group gets no more than everybody had.
        if not _group_given(descriptor, like.st_gid):
            permissions &= ~GROUP | (permissions & OTHERS) << GROUP_SHIFT
    os.fchmod(descriptor, permissions)


def _group_given(descriptor: int, group: int) -> bool:
    try:
        os.fchown(descriptor, -1, group)
    except PermissionError:
        return False
    return True


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals that end the program wait until it is over."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
