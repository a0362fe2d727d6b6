"""Whether the recorder answers, as readiness asks it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from signer.errors import RecorderUnavailable
from signer.recorder.addresses import FOLDER, listening, socket_path
from signer.recorder.probe import prove
from tests.support.recorders import supervised, until

SHORT = 0.3
LONG = 30.0


def test_a_recorder_that_runs_answers_and_one_that_hangs_does_not(tmp_path: Path, sqlite_url: str) -> None:
    path = socket_path(tmp_path / "spool")
    with supervised(tmp_path / "spool", sqlite_url) as supervisor:
        prove(path, timeout=LONG)
        pid = supervisor.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(RecorderUnavailable):
            prove(path, timeout=SHORT)
        os.kill(pid, signal.SIGCONT)
        prove(path, timeout=LONG)
        os.kill(pid, signal.SIGKILL)
        until(lambda: supervisor.pid not in (None, pid))
        prove(path, timeout=LONG)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir()
    return socket_path(tmp_path)


@contextmanager
def answering(path: Path, answer: Callable[[socket.socket], object]) -> Iterator[None]:
    """Somebody else listens there."""
    listener = listening(path)
    try:
        yield
        answered, _ = listener.accept()
        with answered:
            answer(answered)
    finally:
        listener.close()


def test_nobody_there(path: Path) -> None:
    with pytest.raises(RecorderUnavailable):
        prove(path, timeout=SHORT)


def test_nobody_who_accepts(path: Path) -> None:
    with answering(path, lambda _: None), pytest.raises(RecorderUnavailable):
        prove(path, timeout=SHORT)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecorderUnavailable):
        prove(tmp_path / "missing" / "socket", timeout=SHORT)
