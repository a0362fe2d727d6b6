"""Disk space for whole artifacts: nameless files, which vanish with the process that made them.

1. What a file will need is taken from the disk before a byte of it is written: all of it where its length is
   declared, else a step ahead. So what one worker promised, no other can promise again.
2. Whoever takes space holds one lock of the directory meanwhile, and leaves ``RESERVE_BYTES`` free: the database and
   the log go on whatever clients send.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from signer.errors import SpoolFull, SpoolUnusable

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# What is left free on the disk, so that the database and the log can go on.
RESERVE_BYTES = 64 << 20
# How far ahead a file of unknown length takes disk space.
STEP_BYTES = 16 << 20
LOCK_NAME = "reservations"


class Spool:
    """Hands out temporary files in one directory, which all workers of a machine share."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self, expected: int | None) -> SpooledFile:
        """A file for ``expected`` bytes (None: unknown); raises ``SpoolFull`` or ``SpoolUnusable``."""
        with _named(expected):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            raw = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  (closed by whoever asked for it)
            file = SpooledFile(self._directory, cast(BinaryIO, raw))
        try:
            file.reserve(expected or 0)
        except BaseException:
            file.close()
            raise
        return file


class SpooledFile:
    """One artifact on its way through: written once from its beginning, then read. Close it."""

    def __init__(self, directory: Path, file: BinaryIO) -> None:
        self._directory = directory
        self._file = file
        self._reserved = 0
        self._written = 0

    def reserve(self, size: int) -> None:
        """Take the disk space of ``size`` bytes in all, beside the reserve; raises ``SpoolFull``."""
        more = size - self._reserved
        if more <= 0:
            return
        with _named(size), _locked(self._directory):
            status = os.fstatvfs(self._file.fileno())
            if status.f_bavail * status.f_frsize < more + RESERVE_BYTES:
                raise SpoolFull(needed=size)
            os.posix_fallocate(self._file.fileno(), self._reserved, more)
        self._reserved = size

    def write(self, chunk: bytes) -> None:
        """Append; raises ``SpoolFull``."""
        end = self._written + len(chunk)
        if end > self._reserved:
            self.reserve(end + STEP_BYTES)
        with _named(end):
            self._file.write(chunk)
        self._written = end

    def finish(self) -> BinaryIO:
        """What was written, to be read; what was taken beyond it is given back."""
        with _named(self._written):
            self._file.flush()
            self._file.truncate(self._written)
        self._reserved = self._written
        return self._file

    def close(self) -> None:
        """Give everything back."""
        self._file.close()


@contextmanager
def _locked(directory: Path) -> Iterator[IO[bytes]]:
    with (directory / LOCK_NAME).open("ab") as lock:
        # Held for a look at the disk and one allocation; the system lets go of it when a process ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


@contextmanager
def _named(needed: int | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise SpoolFull(needed=needed) from error
        raise SpoolUnusable(reason=(error.strerror or type(error).__name__).lower()) from error
