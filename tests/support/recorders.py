"""Recorders for tests: a real process kept by its supervisor, and the loop in a thread over records in memory."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from signer import log_creation
from signer.bootstrap import utc_now
from signer.config import Settings
from signer.domain.leaves import LeafDraft
from signer.domain.log_keys import log_verifier_keys
from signer.domain.records import Outcome, SignatureEntry
from signer.domain.verified_log import VerifiedLog
from signer.errors import SignerError
from signer.log_creation import create_log, log_origin, opened_with_tokens, resume_without_file
from signer.recorder.addresses import listening, socket_path
from signer.recorder.checkpointer import Checkpointer
from signer.recorder.gathering import Gathering
from signer.recorder.release import Release
from signer.recorder.server import RecorderServer
from signer.recorder.setup import Setup
from signer.recorder.supervision import RecorderSupervisor
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_keys_told import tell_log_keys
from signer.storage.log_reader import SqlLogReader
from tests.hsm.softhsm import make_softhsm, module_path

from . import databases
from .memory_records import MemorySignatureRecords

LOOK_SECONDS = 0.01
WAIT_SECONDS = 30.0


def until(condition: Callable[[], object], *, wait: float = WAIT_SECONDS) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + wait
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def settings_of(directory: Path, url: str, *, timeout: float = databases.TIMEOUT) -> Settings:
    """The settings of an installation in ``directory`` on this database, whose log has a key in a real token."""
    home = directory.parent / f"{directory.name}-token"
    if not home.exists():
        make_softhsm(home)
    settings = Settings.model_validate(
        {
            "database": databases.settings(url, timeout=timeout).model_dump(),
            "spool": {"directory": directory},
            "log": {"checkpoint_file": home / "log.checkpoint"},
            "tokens": [_token(home)],
        }
    )
    if not settings.log.checkpoint_file.exists():
        _take_over(settings, home)
    return settings


def _take_over(settings: Settings, home: Path) -> None:
    """The database has a log already, whose key nobody has and whose checkpoint file was lost: it gets both."""
    with opened_with_tokens(settings) as (database, pool):
        origin = log_origin(SqlLogReader(database=database))
        if origin is not None:
            log_creation._make_keys(settings, database, pool, [token.name for token in settings.tokens])
            keys = log_verifier_keys(SqlKeyStore(database=database, clock=utc_now).all_keys(), origin)
            tell_log_keys(database, clock=utc_now, actor="tests", origin=origin, keys=[str(key) for key in keys])
    if origin is None:
        create_log(settings, origin=None, token=None, directory=home)
    else:
        resume_without_file(settings)


def setup_line(directory: Path, url: str, *, timeout: float = databases.TIMEOUT) -> bytes:
    """The set-up of a recorder of such an installation."""
    return Setup(settings=settings_of(directory, url, timeout=timeout)).line()


def _token(home: Path) -> dict[str, object]:
    """The token that ``make_softhsm`` made below ``home``."""
    return {
        "name": "demo",
        "uri": f"pkcs11:token=demo?module-path={module_path()}",
        "pin": {"file": home / "softhsm-demo" / "pin"},
        "environment": {"SOFTHSM2_CONF": str(home / "softhsm-demo" / "softhsm2.conf")},
    }


@contextmanager
def supervised(directory: Path, url: str, *, setup: bytes | None = None) -> Iterator[RecorderSupervisor]:
    """A recorder's process, looked after by a thread; it is gone at the end."""
    supervisor = RecorderSupervisor(directory=directory, setup=setup or setup_line(directory, url))
    supervisor.start()
    stop = threading.Event()

    def look_after() -> None:
        while not stop.wait(LOOK_SECONDS):
            supervisor.look()

    thread = threading.Thread(target=look_after)
    thread.start()
    try:
        yield supervisor
    finally:
        stop.set()
        thread.join()
        process = supervisor._process
        supervisor.close()
        if process is not None:
            process.wait(WAIT_SECONDS)


class MemoryLog:
    """The records and the log that they make, in memory."""

    def __init__(self, records: MemorySignatureRecords) -> None:
        self._records = records
        self.verified = VerifiedLog()
        self.kept: list[tuple[int, bytes]] = []
        self.failure: SignerError | None = None
        self.told: list[LeafDraft] = []
        self.untold: SignerError | None = None
        self.looked = self.flushed = self.tidied = self.untidy = 0

    def record_many(self, entries: Sequence[SignatureEntry]) -> list[Outcome]:
        """As the port."""
        outcomes = self._records.record_many(entries)
        self._follow()
        return outcomes

    def look(self) -> None:
        """As the port."""
        self.looked += 1
        self._follow()

    def _follow(self) -> None:
        if self.failure is not None:
            raise self.failure
        new = self._records.records[self.verified.size :]
        self.verified = self.verified.extended(record.leaf.content for record in new)

    prove = look

    def tell(self, drafts: Sequence[LeafDraft]) -> None:
        """As the port: they are told apart, since these records hold signatures only."""
        if self.untold is not None:
            raise self.untold
        self.told += drafts

    def keep(self, size: int, note: bytes) -> None:
        """As the port."""
        self.kept.append((size, note))

    def flush(self) -> None:
        """As the port."""
        self.flushed += 1

    def tidy(self) -> bool:
        """As the port."""
        self.tidied += 1
        return self.tidied < self.untidy


class MemorySlots:
    """Checkpoints in memory, one after another; a test may hold one up, or let it fail."""

    def __init__(self) -> None:
        self.written: list[VerifiedLog] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.failure: Exception | None = None

    def write(self, *, note: bytes, log: VerifiedLog) -> None:
        """As the port."""
        assert self.go_on.wait(WAIT_SECONDS)
        if self.failure is not None:
            raise self.failure
        self.written.append(log)

    def sign(self, log: VerifiedLog) -> bytes:
        """A note, which nobody reads."""
        return b"note of %d" % log.size


class LoopInThread:
    """The recorder's loop over ``records`` in memory."""

    def __init__(self, directory: Path, records: MemorySignatureRecords, *, gathering: Gathering | None = None) -> None:
        self.path = socket_path(directory)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._listener = listening(self.path)
        lifeline, self._held = os.pipe()
        self.log, self.slots = MemoryLog(records), MemorySlots()
        self._checkpointer = Checkpointer(sign=self.slots.sign, slots=self.slots)
        self.server = RecorderServer(
            listener=self._listener,
            lifeline=lifeline,
            records=self.log,
            release=Release(self._checkpointer),
            housekeeping=None,
            gathering=gathering,
        )
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()

    def let_go(self) -> None:
        """The service has ended."""
        with suppress(OSError):
            os.close(self._held)

    def connect(self) -> socket.socket:
        """A connection of the test's own."""
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(WAIT_SECONDS)
        made.connect(str(self.path))
        return made

    def close(self) -> None:
        """End the loop; connections have to be closed before."""
        self.let_go()
        self.thread.join(WAIT_SECONDS)
        assert not self.thread.is_alive()
        self._checkpointer.close()
        self._listener.close()
