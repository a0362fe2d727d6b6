"""What no two leaves may share, over any number of leaves in bounded memory.

Two marks of 16 bytes for each leaf stand in a file, in the order of the leaves. Equal ones are found by dealing them
out into piles by their first bytes, each small enough to be held.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from signer.log.bundle import MARK_BYTES, NO_MARK
from signer.log.faults import Fault, FaultKind

MARKS_PER_LEAF = 2
LEAF_BYTES = MARKS_PER_LEAF * MARK_BYTES
MARKS_IN_MEMORY = 1 << 18
_CHUNK_BYTES = 1 << 20
_PLACE_BYTES = 8
_KINDS = (FaultKind.LEAF_ID, FaultKind.SIGNED_TWICE)


class Marks:
    """The file of marks: of its own and gone in the end, or kept at ``path`` for the next time."""

    def __init__(self, path: Path | None, *, leaves: int = 0, in_memory: int = MARKS_IN_MEMORY) -> None:
        """Those of the first ``leaves`` stay; raises ``OSError``, also where there are fewer."""
        self._file: IO[bytes] = _opened(path)
        self._in_memory = in_memory
        self._size = leaves * LEAF_BYTES
        if os.fstat(self._file.fileno()).st_size < self._size:
            self._file.close()
            raise FileNotFoundError(2, "it lacks what was kept", str(path))
        self._file.truncate(self._size)
        self._file.seek(self._size)

    def add(self, marks: bytes) -> None:
        """Of the next leaves."""
        self._file.write(marks)
        self._size += len(marks)

    def sync(self) -> None:
        """What was added is on the disk."""
        self._file.flush()
        os.fdatasync(self._file.fileno())

    def fault(self) -> Fault | None:
        """The first leaf that has a mark of one before it."""
        self._file.flush()
        piles = 1
        while self._size // MARK_BYTES > piles * self._in_memory:
            piles *= 2
        found = [fault for pile in self._piles(piles) if (fault := _repeated(pile)) is not None]
        return min(found, key=lambda fault: fault.place, default=None)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _piles(self, count: int) -> Iterator[Iterator[tuple[bytes, int]]]:
        if count == 1:
            yield self._all()
            return
        shift = 32 - (count.bit_length() - 1)
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, str(number)) for number in range(count)]
            self._deal(files, shift)
            for path in files:
                with path.open("rb") as pile:
                    yield _records(pile)

    def _deal(self, files: list[Path], shift: int) -> None:
        piles: list[list[bytes]] = [[] for _ in files]
        for dealt, (mark, place) in enumerate(self._all(), 1):
            piles[int.from_bytes(mark[:4], "big") >> shift].append(mark + place.to_bytes(_PLACE_BYTES, "big"))
            if dealt % self._in_memory == 0:
                _append(files, piles)
        _append(files, piles)

    def _all(self) -> Iterator[tuple[bytes, int]]:
        """Each mark with its place in the file."""
        place = 0
        while place * MARK_BYTES < self._size:
            chunk = os.pread(self._file.fileno(), _CHUNK_BYTES, place * MARK_BYTES)
            for start in range(0, len(chunk), MARK_BYTES):
                mark = chunk[start : start + MARK_BYTES]
                if mark != NO_MARK:
                    yield mark, place
                place += 1


def _opened(path: Path | None) -> IO[bytes]:
    if path is None:
        return tempfile.TemporaryFile()
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "r+b")


def _append(files: list[Path], piles: list[list[bytes]]) -> None:
    for path, pile in zip(files, piles, strict=True):
        with path.open("ab") as file:
            file.write(b"".join(pile))
        pile.clear()


def _records(pile: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    while record := pile.read(MARK_BYTES + _PLACE_BYTES):
        yield record[:MARK_BYTES], int.from_bytes(record[MARK_BYTES:], "big")


def _repeated(pile: Iterator[tuple[bytes, int]]) -> Fault | None:
    # Places grow within a pile: the first that repeats one is at the first leaf that does.
    seen: dict[bytes, int] = {}
    for mark, place in pile:
        before = seen.setdefault(mark, place)
        if before != place:
            return Fault(_KINDS[place % MARKS_PER_LEAF], place // MARKS_PER_LEAF, {"other": before // MARKS_PER_LEAF})
    return None
