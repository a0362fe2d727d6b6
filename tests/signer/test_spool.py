"""Disk space for artifacts is taken before it is needed, from one account for all workers, and the reserve stays."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from signer import spool
from signer.errors import SpoolFull, SpoolUnusable
from signer.spool import RESERVE_BYTES, STEP_BYTES, Spool, SpooledFile
from tests.support.crowd import in_threads

MEBIBYTE = 1 << 20
# The smallest step of the disk below.
UNIT = 4096


@dataclass(slots=True)
class Disk:
    """A disk of ``free`` bytes, as the spool sees it; ``least`` is how full it ever was."""

    free: int
    least: int = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.least = self.free

    def status(self, _descriptor: int) -> SimpleNamespace:
        found = self.free
        time.sleep(0.001)  # whoever is not kept out looks at the same moment
        return SimpleNamespace(f_bavail=found // UNIT, f_frsize=UNIT)

    def take(self, descriptor: int, offset: int, length: int) -> None:
        with self.lock:
            if self.free < length:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.free -= length
            self.least = min(self.least, self.free)
        os.ftruncate(descriptor, offset + length)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """So much that three steps fit beside the reserve."""
    made = Disk(free=RESERVE_BYTES + 3 * STEP_BYTES)
    monkeypatch.setattr(spool.os, "fstatvfs", made.status)
    monkeypatch.setattr(spool.os, "posix_fallocate", made.take)
    return made


def test_what_was_promised_to_one_is_not_promised_to_another(disk: Disk, tmp_path: Path) -> None:
    first, second = Spool(tmp_path), Spool(tmp_path)
    file = first.open(2 * STEP_BYTES)
    with pytest.raises(SpoolFull) as refusal:
        second.open(2 * STEP_BYTES)
    assert refusal.value.facts == {"needed": 2 * STEP_BYTES}
    second.open(STEP_BYTES).close()
    file.close()


def test_many_workers_at_once_leave_the_reserve_free(disk: Disk, tmp_path: Path) -> None:
    size = 3 * STEP_BYTES // 12

    def attempt(_: int) -> SpooledFile | None:
        try:
            return Spool(tmp_path).open(size)
        except SpoolFull:
            return None

    taken = [file for file in in_threads(24, attempt) if file is not None]
    assert len(taken) == 12
    assert disk.least == RESERVE_BYTES
    for file in taken:
        file.close()


def test_an_artifact_of_unknown_length_is_refused_while_it_is_written(disk: Disk, tmp_path: Path) -> None:
    file = Spool(tmp_path).open(None)
    chunk = bytes(MEBIBYTE)

    def fill() -> None:
        for _ in range(RESERVE_BYTES // MEBIBYTE + 3 * STEP_BYTES // MEBIBYTE):
            file.write(chunk)

    with pytest.raises(SpoolFull):
        fill()
    assert disk.least >= RESERVE_BYTES
    file.close()


def test_the_reserve_is_left_also_where_nothing_is_known_of_the_length(disk: Disk, tmp_path: Path) -> None:
    disk.free = RESERVE_BYTES + STEP_BYTES
    file = Spool(tmp_path).open(None)
    with pytest.raises(SpoolFull):
        file.write(b"first")
    assert disk.free == RESERVE_BYTES + STEP_BYTES
    file.close()


def test_what_was_taken_and_not_written_is_given_back(tmp_path: Path) -> None:
    file = Spool(tmp_path).open(None)
    file.write(b"artifact")
    content = file.finish()
    assert os.fstat(content.fileno()).st_size == len(b"artifact")
    content.seek(0)
    assert content.read() == b"artifact"
    file.close()


def test_real_disk_space_is_taken(tmp_path: Path) -> None:
    file = Spool(tmp_path).open(MEBIBYTE)
    assert os.fstat(file.finish().fileno()).st_size == 0
    file.reserve(MEBIBYTE)
    assert os.fstat(file._file.fileno()).st_blocks * 512 >= MEBIBYTE
    file.close()


def put_a_file_there(path: Path) -> None:
    path.write_text("")


def put_a_file_above(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("")


def lead_nowhere(path: Path) -> None:
    path.symlink_to("nowhere/at/all")


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a file stands in its place": (put_a_file_there, "file exists"),
    "a file stands above it": (put_a_file_above, "not a directory"),
    "it is a link that leads nowhere": (lead_nowhere, "file exists"),
}


@pytest.mark.parametrize("sentence", UNUSABLE)
def test_a_directory_that_is_none_is_a_refusal_of_ours(tmp_path: Path, sentence: str) -> None:
    spoil, reason = UNUSABLE[sentence]
    path = tmp_path / "above" / "spool"
    path.parent.mkdir()
    spoil(path)
    with pytest.raises(SpoolUnusable) as refusal:
        Spool(path).open(None)
    assert refusal.value.facts == {"reason": reason}
