"""The disk refuses each call of the recorder in turn: nothing that a client received is missing afterwards."""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from signer.domain.records import Recorded
from signer.storage.log_reader import SqlLogReader
from tests.support.databases import Opener
from tests.support.recorder_scene import Scene
from tests.support.recorders import until
from tests.support.shared_objects import shared_object

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NUMBERS = struct.Struct("=qqq")
# Longer than a checkpoint waits for its row; a turn may have one call fewer than the one that was counted.
QUIET_SECONDS = 1.0
# So few calls are all tried, whatever the step.
FEW = 10
# Of SQLite's files and the checkpoint's. What a server of PostgreSQL writes is not the recorder's.
FILES = ("signer.sqlite", "signer.sqlite-wal", "signer.sqlite-shm", "log.checkpoint")


class Disk:
    """Lets calls fail by their number since ``fail``; counted over all processes that have the library."""

    def __init__(self, control: Path) -> None:
        control.write_bytes(bytes(NUMBERS.size))
        self._file = control.open("r+b")
        self._numbers = mmap.mmap(self._file.fileno(), NUMBERS.size)

    def fail(self, first: int, last: int) -> None:
        """These calls fail; ``0, 0``: none."""
        self._numbers[:] = NUMBERS.pack(0, first, last)

    @property
    def calls(self) -> int:
        """How many there were."""
        calls, _, _ = NUMBERS.unpack(self._numbers[:])
        return int(calls)

    def close(self) -> None:
        """Let the control go."""
        self._numbers.close()
        self._file.close()


@pytest.fixture
def scene(tmp_path: Path, database_url: str, open_database: Opener) -> Scene:
    return Scene(tmp_path / "spool", database_url, open_database())


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with closing(Disk(tmp_path / "turns")) as made:
        monkeypatch.setenv("LD_PRELOAD", str(shared_object("turns", tmp_path)))
        monkeypatch.setenv("DISK_TURNS", str(tmp_path / "turns"))
        monkeypatch.setenv("DISK_FILES", ":".join(FILES))
        yield made


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``more``: how many calls after the one in turn fail as well; ``step``: each, or one of so many."""

    more: int
    step: int


ROWS = {
    "one call": Row(more=0, step=1),
    "and the next one, which is in the recovery": Row(more=1, step=3),
    "and eight more, so that the next process meets them": Row(more=8, step=5),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_each_call_fails_in_turn(scene: Scene, disk: Disk, sentence: str) -> None:
    row, reader = ROWS[sentence], SqlLogReader(database=scene.book.database)
    failed = 0
    with scene.recorder():
        received = [scene.record("before")]
        disk.fail(0, 0)
        received.append(scene.record("counted"))
        until(lambda: written(reader, received))
        calls = disk.calls
        assert calls >= 2, "the library is not asked"
        for turn in range(1, calls + 1, row.step if calls > FEW else 1):
            disk.fail(turn, turn + row.more)
            sent = scene.entry(turn)
            answer = scene.send(sent)
            failed += not isinstance(answer, Recorded)
            reach(disk, turn)
            disk.fail(0, 0)
            while not isinstance(answer, Recorded):
                answer = scene.send(sent)
            received.append(answer)
            scene.check(received)
    assert failed, "no call in turn was one that an answer waits for"
    print(f"{scene.url.partition(':')[0]}, {sentence}: {calls} calls, {failed} turns were answered with a failure")


def written(reader: SqlLogReader, received: list[Recorded]) -> bool:
    """The newest checkpoint has its row: nothing is under way."""
    note = reader.checkpoint()
    return note is not None and int(note.split(b"\n")[1]) >= received[-1].index + 1


def reach(disk: Disk, turn: int) -> None:
    """Until that call was there, or there are no more."""
    deadline = time.monotonic() + QUIET_SECONDS
    with suppress(AssertionError):
        until(lambda: disk.calls >= turn or time.monotonic() > deadline)
