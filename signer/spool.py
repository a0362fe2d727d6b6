"""Room on disk for whole artifacts: nameless files, which vanish with the process that made them."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from signer.errors import SpoolFull

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# What is left free on the disk, so that the database and the log can go on.
RESERVE_BYTES = 64 << 20


class Spool:
    """Hands out temporary files in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self, expected: int | None) -> BinaryIO:
        """A file for ``expected`` bytes (None: unknown); raises ``SpoolFull`` where they cannot fit."""
        with _full_disk_named(expected):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = os.statvfs(self._directory)
            if status.f_bavail * status.f_frsize < (expected or 0) + RESERVE_BYTES:
                raise SpoolFull(needed=expected)
            return cast(BinaryIO, tempfile.TemporaryFile(dir=self._directory))

    def write(self, file: BinaryIO, chunk: bytes) -> None:
        """Append to a file; raises ``SpoolFull``."""
        with _full_disk_named(None):
            file.write(chunk)


@contextmanager
def _full_disk_named(needed: int | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise SpoolFull(needed=needed) from error
        raise
