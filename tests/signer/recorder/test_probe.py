"""Whether the recorder answers, as readiness asks it."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from signer.errors import RecorderUnavailable
from signer.recorder.addresses import FOLDER, connected, listening, socket_path
from signer.recorder.probe import RECEIVED_BYTES, figures, prove
from signer.recorder.protocol import frame, packed_entry
from tests.support.books import entry
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


def test_a_recorder_tells_what_its_work_has_cost(tmp_path: Path, sqlite_url: str) -> None:
    path = socket_path(tmp_path / "spool")
    with supervised(tmp_path / "spool", sqlite_url):
        prove(path, timeout=LONG)
        before = figures(path, timeout=LONG)
        assert (before.batches, before.records) == (0, 0)
        assert min(before.sign, before.write, before.other, before.tokens) > 0
        with closing(connected(path)) as worker:
            worker.settimeout(LONG)
            deadline = time.monotonic() + LONG
            worker.sendall(frame({"record": [packed_entry(entry(404, number), deadline) for number in range(3)]}))
            until(lambda: figures(path, timeout=LONG).records == 3)
        after = figures(path, timeout=LONG)
        assert after.batches == 1
        assert after.record > before.record


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


ANSWERS = {
    "what cannot be understood": b"\x00\x00\x00\x02{}",
    "the answer to another question": frame({"proved": 1}),
    "figures for somebody else": frame({"told": 1, "figures": {}}),
    "nothing": b"",
}


@pytest.mark.parametrize("sentence", ANSWERS)
def test_figures_from_somebody_who_answers_otherwise(path: Path, sentence: str) -> None:
    def answer() -> None:
        asked, _ = listener.accept()
        with asked:
            asked.sendall(ANSWERS[sentence])
            asked.recv(RECEIVED_BYTES)

    with closing(listening(path)) as listener, ThreadPoolExecutor(1) as threads:
        answered = threads.submit(answer)
        with pytest.raises(RecorderUnavailable):
            figures(path, timeout=SHORT)
        answered.result(LONG)


def test_nobody_who_accepts(path: Path) -> None:
    with answering(path, lambda _: None), pytest.raises(RecorderUnavailable):
        prove(path, timeout=SHORT)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecorderUnavailable):
        prove(tmp_path / "missing" / "socket", timeout=SHORT)
