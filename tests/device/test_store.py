"""The state directory: modes, what is never overwritten, what is refused, and one process at a time."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from device.errors import AlreadyThere, StateExposed, StateInUse, StateUnusable
from device.store import MOST_BYTES, UNFINISHED, Directory


@pytest.fixture
def store(tmp_path: Path) -> Directory:
    made = Directory(tmp_path / "state")
    with made.locked(soon()):
        pass
    return made


def soon() -> float:
    return time.monotonic() + 5.0


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_the_owners_alone_whatever_the_mask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = Directory(tmp_path / "state")
        with store.locked(soon()):
            store.create("a", b"1")
            store.replace("b", b"2")
    finally:
        os.umask(before)
    assert [mode(store.path / name) for name in ("", "a", "b", "lock")] == [0o700, 0o600, 0o600, 0o600]


def test_what_is_created_is_never_overwritten(store: Directory) -> None:
    store.create("a", b"1")
    with pytest.raises(AlreadyThere):
        store.create("a", b"2")
    assert store.read("a") == b"1"
    assert [path.name for path in store.path.iterdir() if path.name.endswith(UNFINISHED)] == []


def test_what_is_not_there_is_nothing(store: Directory, tmp_path: Path) -> None:
    store.remove("a")
    assert (store.read("a"), Directory(tmp_path / "nowhere").read("a")) == (None, None)
    with pytest.raises(StateUnusable):
        store.rename("a", "b")


def exposed(path: Path) -> None:
    path.write_bytes(b"1")
    path.chmod(0o640)


def linked(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"1")
    other.chmod(0o600)
    path.symlink_to(other)


def too_large(path: Path) -> None:
    path.write_bytes(b"1" * (MOST_BYTES + 1))
    path.chmod(0o600)


REFUSED: dict[str, tuple[Callable[[Path], None], type[Exception]]] = {
    "a file that others may read": (exposed, StateExposed),
    "a link to another file": (linked, StateUnusable),
    "a file that is too large": (too_large, StateUnusable),
    "a pipe, which would wait for ever": (os.mkfifo, StateUnusable),
    "a directory": (Path.mkdir, StateUnusable),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_no_file_of_ours_is_refused(store: Directory, sentence: str) -> None:
    make, error = REFUSED[sentence]
    make(store.path / "a")
    if sentence == "a pipe, which would wait for ever":
        (store.path / "a").chmod(0o600)
    with pytest.raises(error):
        store.read("a")


def test_a_directory_that_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o770)
    with pytest.raises(StateExposed), Directory(tmp_path / "state").locked(soon()):
        pass


def test_what_another_one_left_unfinished_goes(store: Directory) -> None:
    (store.path / f".x{UNFINISHED}").write_bytes(b"half a key")
    with store.locked(soon()), store.locked(soon()):
        assert {path.name for path in store.path.iterdir()} == {"lock"}


def test_another_process_is_waited_for_until_the_deadline_and_no_longer(store: Directory) -> None:
    script = f"""
import sys, time
from pathlib import Path
from device.store import Directory
with Directory(Path({str(store.path)!r})).locked(time.monotonic() + 5):
    print("in", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        begun = time.monotonic()
        with pytest.raises(StateInUse), store.locked(begun + 0.2):
            pass
        assert 0.2 <= time.monotonic() - begun < 2.0
        other.kill()  # the kernel lets the lock of a process go that has ended, however it did
        other.wait()
        with store.locked(soon()):
            pass
