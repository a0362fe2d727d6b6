"""What doctor says of the log, its file, and its recorder."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from signer.doctor import Request, examine
from signer.doctor import log as module
from signer.doctor.checks import Check
from signer.doctor.log import log
from signer.doctor.report import Severity
from signer.errors import CheckpointUnavailable, SignerError
from signer.recorder.addresses import listening, socket_path
from signer.recorder.protocol import FrameReader, Prove, Proved, frame, packed_proof, parsed_message
from signer.storage import inspection

from .patient import Patient


def said(patient: Patient) -> list[tuple[Severity, str]]:
    report = examine(Request(config=patient.config, environment={}), checks={"log": Check(look=log)})
    return [(line.finding.severity, line.finding.sentence) for line in report.lines]


def first(patient: Patient) -> tuple[Severity, str]:
    return said(patient)[0]


def checkpoint_file(patient: Patient) -> Path:
    return patient.settings.log.checkpoint_file


def roll_back(patient: Patient) -> None:
    patient.sql("UPDATE log_head SET size = 1, frontier = substr(frontier, 1, 32)")


def fork(patient: Patient) -> None:
    # Of the size that the file knows, under another root.
    from signer.storage.checkpoint_file import CheckpointFile

    size = CheckpointFile(checkpoint_file(patient)).read().log.size
    patient.sql(
        "UPDATE log_head SET size = ?, root = zeroblob(32), frontier = zeroblob(32 * ?)", size, size.bit_count()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is wrong, and what is said first."""

    change: Callable[[Patient], object]
    says: str
    severity: Severity = Severity.FAILED


ROWS = {
    "a log that is well": Row(change=lambda _: None, says="and a checkpoint of", severity=Severity.OK),
    "no file": Row(change=lambda patient: checkpoint_file(patient).unlink(), says="is missing"),
    "a file that others may read": Row(
        change=lambda patient: checkpoint_file(patient).chmod(0o644), says="has mode 0644"
    ),
    "a file cut short": Row(change=lambda patient: os.truncate(checkpoint_file(patient), 7), says="has 7 bytes"),
    "an older database": Row(change=roll_back, says="the database holds 1 leaves of the log"),
    "another log": Row(change=fork, says="is another than the one that was verified"),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_the_log_and_its_file(patient: Patient, sentence: str) -> None:
    row = ROWS[sentence]
    row.change(patient)
    severity, text = first(patient)
    assert severity is row.severity
    assert row.says in text


def test_a_file_on_the_volume_of_the_database_is_a_warning(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert any("on the volume of the database" in text for _, text in said(patient))
    monkeypatch.setattr(module, "_device", {checkpoint_file(patient): 1}.get)
    assert not any("on the volume of the database" in text for _, text in said(patient))


@pytest.mark.parametrize(("version", "warned"), [((3, 51, 2), True), ((3, 51, 3), False), ((3, 52, 0), False)])
def test_a_version_of_sqlite_with_the_fault_is_named(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], warned: bool
) -> None:
    monkeypatch.setattr(inspection.sqlite3, "sqlite_version_info", version)
    assert any(text.startswith("SQLite ") for _, text in said(patient)) is warned


def test_without_a_service_nothing_is_said_of_the_recorder(patient: Patient) -> None:
    assert not any(text.startswith("the recorder") for _, text in said(patient))


@contextmanager
def recorder(patient: Patient, failure: SignerError | None, *, answers: bool = True) -> Iterator[None]:
    """Somebody who listens in its place, and says this once."""
    path = socket_path(patient.settings.spool.directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = listening(path)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            (body,) = FrameReader().feed(connection.recv(1 << 12))
            message = parsed_message(body)
            assert isinstance(message, Prove)
            if answers:
                connection.sendall(frame(packed_proof(Proved(message.number, failure))))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        listener.close()


def test_a_recorder_that_works(patient: Patient) -> None:
    with recorder(patient, None):
        assert (Severity.OK, "the recorder makes records durable and signs checkpoints") in said(patient)


def test_a_recorder_without_a_token(patient: Patient) -> None:
    with recorder(patient, CheckpointUnavailable(reason="token-unavailable")):
        (found,) = [line for line in said(patient) if line[1].startswith("the recorder")]
    assert found[0] is Severity.FAILED
    assert "checkpoint-unavailable" in found[1]


def test_a_recorder_that_hangs_up(patient: Patient) -> None:
    with recorder(patient, None, answers=False):
        assert (Severity.FAILED, "the recorder does not answer") in said(patient)
