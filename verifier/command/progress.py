"""A progress bar for long artifacts, where standard error is a terminal."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

_LONG_BYTES = 32 * 1024 * 1024
_SECONDS_BETWEEN_DRAWINGS = 0.1
_CELLS = 30
_NAME_COLUMNS = 30
_MIB = 1024 * 1024
_ERASE_LINE = "\r\x1b[K"


class HasDescriptor(Protocol):
    """An open file or pipe."""

    def fileno(self) -> int: ...


@contextmanager
def progress_bar(path: str, stream: HasDescriptor, *, wanted: bool) -> Iterator[Callable[[int], None] | None]:
    """What to call with the number of bytes read so far, or ``None`` where a bar is of no use."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(path, _size(stream))
    try:
        yield bar.show
    finally:
        bar.erase()


class _Bar:
    def __init__(self, path: str, size: int | None) -> None:
        from verifier._visible import visible

        self._name = visible(os.path.basename(path))[:_NAME_COLUMNS]  # noqa: PTH119 - no pathlib
        self._size = size
        self._drawn_at: float | None = None

    def show(self, done: int) -> None:
        now = time.monotonic()
        known_short = self._size is not None and self._size < _LONG_BYTES
        too_soon = self._drawn_at is not None and now - self._drawn_at < _SECONDS_BETWEEN_DRAWINGS
        if known_short or too_soon or done < min(_MIB, self._size or _MIB):
            return
        self._drawn_at = now
        sys.stderr.write(f"{_ERASE_LINE}{self._name}  {self._line(done)}")
        sys.stderr.flush()

    def erase(self) -> None:
        if self._drawn_at is not None:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()

    def _line(self, done: int) -> str:
        if self._size is None:
            return f"{done // _MIB} MiB"
        share = min(done / self._size, 1.0)
        cells = "#" * int(share * _CELLS)
        return f"[{cells:<{_CELLS}}] {share:4.0%} of {self._size // _MIB} MiB"


def _size(stream: HasDescriptor) -> int | None:
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
