"""The log: there is one, the file of its newest checkpoint fits to it, and the recorder makes records durable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, warning
from signer.errors import (
    CheckpointFileDamaged,
    CheckpointFileMissing,
    LogForked,
    LogRolledBack,
    RecorderUnavailable,
    SignerError,
)
from signer.recorder.addresses import socket_path
from signer.recorder.probe import prove
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.database import Database
from signer.storage.inspection import sqlite_resets_its_log_safely
from signer.storage.log_reader import SqlLogReader

RECORDER_SECONDS = 10.0
SQLITE_SCHEME = "sqlite:///"


def log(examination: Examination) -> Iterator[Finding]:
    """As the module says. What the database itself is like is for another check."""
    if isinstance(examination.database, SignerError):
        yield warning("the log was not looked at: the database cannot be used", "repair the database first")
        return
    yield _head(examination)
    yield from _surroundings(examination)
    yield from _recorder(examination)


def _head(examination: Examination) -> Finding:
    settings = examination.settings
    try:
        with closing(Database(settings.database)) as database:
            head = SqlLogReader(database=database).head()
        if head.size == 0:
            return failed("there is no log", f"artifact-signer log create --config {examination.config}")
        saved = CheckpointFile(settings.log.checkpoint_file).read()
        saved.log.beyond(size=head.size, root=head.root)
    except (CheckpointFileMissing, CheckpointFileDamaged) as error:
        problem = error.problem if isinstance(error, CheckpointFileDamaged) else "is missing"
        return failed(
            f"the file of the newest checkpoint {error.path} {problem}",
            f"put it back, or artifact-signer log resume --no-file --config {examination.config}",
        )
    except LogRolledBack as error:
        return failed(
            f"the database holds {error.found} leaves of the log, and {error.verified} were verified",
            "an older state was put back: put the newest one back",
        )
    except LogForked as error:
        return failed(
            f"the log of {error.size} leaves is another than the one that was verified",
            f"find out who changed the database; artifact-signer log verify --config {examination.config}",
        )
    except SignerError as error:
        return failed(f"the log cannot be looked at: {error.code}", "repair the database first")
    return ok(f"the log has {head.size} leaves, and a checkpoint of {saved.log.size} of them")


def _surroundings(examination: Examination) -> Iterator[Finding]:
    settings = examination.settings
    file, url = settings.log.checkpoint_file, settings.database.url
    if url.startswith(SQLITE_SCHEME):
        if _device(file) == _device(Path(url.removeprefix(SQLITE_SCHEME))):
            yield warning(
                f"the file of the newest checkpoint {file} is on the volume of the database, and goes back with it",
                "name a file on another volume in log.checkpoint_file, and move it there",
            )
        version, safe = sqlite_resets_its_log_safely()
        if not safe:
            yield warning(
                f"SQLite {version} can damage a database where two processes reset its write-ahead log at once",
                "the service works round it; SQLite 3.51.3 does not need that. Open the file with nothing else",
            )
    elif not settings.log.failover_check:
        yield warning(
            "log.failover_check is false: after a failover nobody knows whether the new primary has all leaves",
            "let the service's user call pg_walfile_name and pg_control_system, and take the setting out",
        )


def _recorder(examination: Examination) -> Iterator[Finding]:
    """Nothing where no service runs: that is for another check."""
    path = socket_path(examination.settings.spool.directory)
    try:
        prove(path, timeout=RECORDER_SECONDS)
    except RecorderUnavailable as error:
        if not isinstance(error.__cause__, ConnectionRefusedError | FileNotFoundError):
            yield failed("the recorder does not answer", "look at the log of the service")
    except SignerError as error:
        yield failed(f"the recorder makes no record durable: {error}", "docs/api/errors.md says what the code means")
    else:
        yield ok("the recorder makes records durable and signs checkpoints")


def _device(path: Path) -> int | None:
    try:
        return path.stat().st_dev
    except OSError:
        return None
