"""Copies bytes from one file to another in the kernel where the system can, else through this process."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator

# So much at a time: an interruption is heard in between, and progress told.
PIECE_BYTES = 16 << 20
BUFFER_BYTES = 1 << 20
# The systems' ways to say that these two files cannot be copied like this.
_CANNOT = frozenset({
    errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM, errno.ETXTBSY,
})  # fmt: skip

Way = Callable[[int, int, int, int], int]
"""``(source, target, offset, count)``: bytes that were appended to the target; 0 at the end of the source."""


def by_range(source: int, target: int, offset: int, count: int) -> int:
    """``copy_file_range(2)``: no byte leaves the kernel, and none is copied where the file system shares blocks."""
    return os.copy_file_range(source, target, count, offset_src=offset)


def by_sendfile(source: int, target: int, offset: int, count: int) -> int:
    """``sendfile(2)``: over file systems, too."""
    return os.sendfile(target, source, offset, count)


def by_reading(source: int, target: int, offset: int, count: int) -> int:
    """Everywhere."""
    chunk = os.pread(source, min(count, BUFFER_BYTES), offset)
    left = memoryview(chunk)
    while left:
        left = left[os.write(target, left) :]
    return len(chunk)


WAYS: tuple[Way, ...] = (by_range, by_sendfile, by_reading)


def copied(source: int, target: int, offset: int, *, ways: tuple[Way, ...] = WAYS) -> Iterator[int]:
    """Appends what ``source`` holds from ``offset`` on to ``target``; yields how many bytes each step copied.

    Descriptors of files; the position of ``target`` is its end. Raises ``OSError`` of the last way that can.
    """
    remaining = list(ways)
    while True:
        try:
            count = remaining[0](source, target, offset, PIECE_BYTES)
        except OSError as error:
            if len(remaining) == 1 or error.errno not in _CANNOT:
                raise
            del remaining[0]
            continue
        if count == 0:
            # Some file systems say so of what they cannot copy; the last way alone is believed.
            if len(remaining) == 1:
                return
            del remaining[0]
            continue
        offset += count
        yield count
