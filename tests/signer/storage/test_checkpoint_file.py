"""The file of the newest checkpoint: what a crash leaves, what is refused, and who may write."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from signer.domain.verified_log import AccessState, VerifiedLog
from signer.errors import (
    CheckpointFileDamaged,
    CheckpointFileInUse,
    CheckpointFileMissing,
    CheckpointNotWritten,
    LogForked,
    LogRolledBack,
)
from signer.storage.checkpoint_file import FILE_BYTES, SLOT_BYTES, CheckpointFile
from verifier.log import Checkpoint, Frontier

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def log_of(size: int, name: str = "log") -> VerifiedLog:
    """A verified log of so many leaves; another name is another log."""
    hashes = [sha256(f"{name} {index}".encode()).digest() for index in range(size)]
    access = AccessState(revision=size, sha256="a" * 64)
    return VerifiedLog(frontier=Frontier().extended(hashes), newest=NOON if size else None, access=access)


def note_of(log: VerifiedLog, mark: str = "AAAAAAAA") -> bytes:
    """A note of its checkpoint; its signature is nobody's."""
    return f"{Checkpoint(origin='o', size=log.size, root=log.frontier.root)}\n\u2014 o {mark}\n".encode()


@pytest.fixture
def file(tmp_path: Path) -> CheckpointFile:
    """A file that was made with a log of five leaves."""
    made = CheckpointFile(tmp_path / "log.checkpoint")
    made.create(note=note_of(log_of(5)), log=log_of(5))
    return made


def write(file: CheckpointFile, *sizes: int) -> None:
    """Write checkpoints, one after another."""
    held = file.hold()
    for size in sizes:
        held.write(note=note_of(log_of(size)), log=log_of(size))
    held.close()


def damage(file: CheckpointFile, slot: int) -> None:
    """Flip one bit in the middle of what a slot holds."""
    content = bytearray(file.path.read_bytes())
    content[slot * SLOT_BYTES + 40] ^= 1
    file.path.write_bytes(content)


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return [each.name for each in folder.iterdir()]


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 65_535])
def test_what_was_written_is_read(tmp_path: Path, size: int) -> None:
    file = CheckpointFile(tmp_path / "log.checkpoint")
    file.create(note=note_of(log_of(size)), log=log_of(size))
    saved = file.read()
    assert (saved.sequence, saved.note, saved.log) == (1, note_of(log_of(size)), log_of(size))
    assert (saved.frontier, saved.access, saved.newest) == (
        log_of(size).frontier,
        log_of(size).access,
        log_of(size).newest,
    )


def test_the_largest_frontier_fits(tmp_path: Path) -> None:
    frontier = Frontier((1 << 62) - 1, tuple(sha256(bytes([level])).digest() for level in range(62)))
    log = VerifiedLog(frontier=frontier)
    file = CheckpointFile(tmp_path / "log.checkpoint")
    file.create(note=note_of(log), log=log)
    assert file.read().log == log


def test_the_newest_is_read_after_each_write(file: CheckpointFile) -> None:
    held = file.hold()
    for sequence, size in enumerate((6, 6, 7, 9, 400), 2):
        held.write(note=note_of(log_of(size)), log=log_of(size))
        assert (file.read().sequence, file.read().log.size) == (sequence, size)
        assert file.note() == note_of(log_of(size))
    held.close()
    assert file.hold().saved.log == log_of(400)


def test_only_its_owner_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        CheckpointFile(tmp_path / "log.checkpoint").create(note=note_of(log_of(1)), log=log_of(1))
    finally:
        os.umask(before)
    assert (tmp_path / "log.checkpoint").stat().st_mode & 0o7777 == 0o600
    assert names(tmp_path) == ["log.checkpoint"]


def test_a_file_that_is_there_is_not_made_again(file: CheckpointFile) -> None:
    with pytest.raises(FileExistsError):
        file.create(note=note_of(log_of(9)), log=log_of(9))
    assert file.read().log.size == 5
    assert names(file.path.parent) == ["log.checkpoint"]


class TestTornSlots:
    """A crash in the middle of a write."""

    def test_a_write_that_stopped_anywhere_leaves_the_one_before(self, file: CheckpointFile) -> None:
        write(file, 6)
        before = file.path.read_bytes()
        write(file, 7)
        after = file.path.read_bytes()
        changed = [at for at in range(FILE_BYTES) if before[at] != after[at]]
        assert changed[-1] < SLOT_BYTES, "the slot that held the elder one is written, and no other"
        for written in range(changed[-1] + 1):
            file.path.write_bytes(after[:written] + before[written:])
            assert file.read().log.size == 6
            assert file.note() == file.read().note
        file.path.write_bytes(after)
        assert file.read().log.size == 7

    @pytest.mark.parametrize(("slot", "size"), [(0, 6), (1, 7)])
    def test_with_one_damaged_slot_the_other_counts(self, file: CheckpointFile, slot: int, size: int) -> None:
        write(file, 6, 7)
        damage(file, slot)
        assert file.read().log.size == size
        assert file.note() == note_of(log_of(size))

    def test_the_next_write_goes_to_the_damaged_slot(self, file: CheckpointFile) -> None:
        write(file, 6, 7)
        damage(file, 0)
        write(file, 8)
        damage(file, 1)
        assert file.read().log.size == 8

    def test_with_both_damaged_it_is_refused(self, file: CheckpointFile) -> None:
        write(file, 6)
        damage(file, 0)
        damage(file, 1)
        for attempt in (file.read, file.note, file.hold):
            with pytest.raises(CheckpointFileDamaged) as refused:
                attempt()
            assert refused.value.problem == "holds no whole checkpoint"

    def test_a_note_of_another_log_is_no_checkpoint(self, tmp_path: Path) -> None:
        file = CheckpointFile(tmp_path / "log.checkpoint")
        file.create(note=note_of(log_of(5, "other")), log=log_of(5))
        with pytest.raises(CheckpointFileDamaged):
            file.read()


def _replaced_by_a_link(path: Path) -> None:
    other = path.with_name("elsewhere")
    path.rename(other)
    path.symlink_to(other)


def _replaced_by_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o600)


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (_replaced_by_a_link, "cannot be opened"),
    "a directory": (_replaced_by_a_directory, ""),
    "one byte too few": (lambda path: os.truncate(path, FILE_BYTES - 1), "bytes instead of"),
    "one byte too many": (lambda path: os.truncate(path, FILE_BYTES + 1), "bytes instead of"),
    "nothing in it": (lambda path: os.truncate(path, 0), "bytes instead of"),
    "zeros": (lambda path: path.write_bytes(bytes(FILE_BYTES)), "no whole checkpoint"),
    "readable by others": (lambda path: path.chmod(0o644), "mode 0644"),
    "writable by a group": (lambda path: path.chmod(0o620), "mode 0620"),
}


@pytest.mark.parametrize("sentence", STRANGE)
def test_a_strange_file_is_refused(file: CheckpointFile, sentence: str) -> None:
    change, problem = STRANGE[sentence]
    change(file.path)
    for attempt in (file.read, file.note, file.hold):
        with pytest.raises(CheckpointFileDamaged) as refused:
            attempt()
        assert problem in refused.value.problem


def test_a_missing_file_is_refused_and_not_made(file: CheckpointFile) -> None:
    file.path.unlink()
    for attempt in (file.read, file.note, file.hold):
        with pytest.raises(CheckpointFileMissing):
            attempt()
    assert names(file.path.parent) == []


class TestNeverOlder:
    """What is written is never older than what it replaces."""

    def test_a_smaller_log_is_refused(self, file: CheckpointFile) -> None:
        with pytest.raises(LogRolledBack):
            write(file, 6, 5)
        assert file.read().log.size == 6

    def test_another_log_of_the_same_size_is_refused(self, file: CheckpointFile) -> None:
        held = file.hold()
        other = log_of(5, "other")
        with pytest.raises(LogForked):
            held.write(note=note_of(other), log=other)

    def test_the_same_log_may_be_signed_again(self, file: CheckpointFile) -> None:
        held = file.hold()
        held.write(note=note_of(log_of(5), "BBBBBBBB"), log=log_of(5))
        assert file.read().note == note_of(log_of(5), "BBBBBBBB")


class TestFailures:
    """A disk that does not take what it is given."""

    @pytest.mark.parametrize(("call", "number"), [("pwrite", errno.ENOSPC), ("fdatasync", errno.EIO)])
    def test_nothing_more_is_written_after_a_failure(
        self, file: CheckpointFile, monkeypatch: pytest.MonkeyPatch, call: str, number: int
    ) -> None:
        held = file.hold()

        def fail(*_: object) -> int:
            raise OSError(number, "")

        with monkeypatch.context() as patched:
            patched.setattr(os, call, fail)
            with pytest.raises(CheckpointNotWritten) as refused:
                held.write(note=note_of(log_of(6)), log=log_of(6))
        assert refused.value.reason == os.strerror(number)
        with pytest.raises(CheckpointNotWritten):
            held.write(note=note_of(log_of(6)), log=log_of(6))
        assert held.saved.log.size == 5
        held.close()
        write(file, 7)
        assert file.read().log.size == 7

    def test_a_write_that_takes_a_part_is_gone_on_with(
        self, file: CheckpointFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = os.pwrite
        monkeypatch.setattr(os, "pwrite", lambda descriptor, content, at: whole(descriptor, content[:7], at))
        write(file, 6)
        assert file.read().log.size == 6

    def test_a_folder_that_cannot_be_synced_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(_: int) -> None:
            raise OSError(errno.EIO, "")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(CheckpointNotWritten):
            CheckpointFile(tmp_path / "log.checkpoint").create(note=note_of(log_of(1)), log=log_of(1))
        assert names(tmp_path) == []


class TestOneHolder:
    """One process writes."""

    def test_a_second_holder_is_refused_by_name(self, file: CheckpointFile) -> None:
        first = file.hold()
        with pytest.raises(CheckpointFileInUse) as refused:
            file.hold()
        assert refused.value.path == str(file.path)
        first.close()
        file.hold().close()

    def test_reading_needs_no_lock(self, file: CheckpointFile) -> None:
        held = file.hold()
        assert file.read().log.size == 5
        held.close()

    def test_a_child_that_outlives_the_holder_does_not_hold_it(self, file: CheckpointFile) -> None:
        held = file.hold()
        code = "print(flush=True); input()"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        child = subprocess.Popen([sys.executable, "-c", code], close_fds=False, **pipes)
        # The kernel lets this process go on before the new program's descriptors are closed: one that speaks has none.
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"
        held.close()
        try:
            file.hold().close()
        finally:
            child.communicate()


KILLED = """
import sys
from pathlib import Path
from signer.storage.checkpoint_file import CheckpointFile
from tests.signer.storage.test_checkpoint_file import log_of, note_of
held = CheckpointFile(Path(sys.argv[1])).hold()
for size in range(held.saved.log.size, held.saved.log.size + 100_000):
    held.write(note=note_of(log_of(size)), log=log_of(size))
    print(size, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 2, 3, 17, 60])
def test_what_was_acknowledged_survives_a_kill(file: CheckpointFile, acknowledged: int) -> None:
    writer = subprocess.Popen([sys.executable, "-c", KILLED, str(file.path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    last = 0
    for _ in range(acknowledged):
        last = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    last = int((writer.communicate()[0].split() or [last])[-1])
    assert last <= file.read().log.size <= last + 1
    file.hold().close()


def test_the_first_checkpoint_of_another_log_follows_one_that_is_lost(file: CheckpointFile) -> None:
    file.path.unlink()
    aside = file.succeed(note=note_of(log_of(3)), log=log_of(3))
    assert (file.read().log.size, aside.exists()) == (3, False)


def test_the_one_before_it_is_kept_where_there_is_one(file: CheckpointFile) -> None:
    before = file.path.read_bytes()
    aside = file.succeed(note=note_of(log_of(3)), log=log_of(3))
    assert (file.read().log.size, aside.read_bytes()) == (3, before)
