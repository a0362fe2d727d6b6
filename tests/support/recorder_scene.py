"""An installation with a log, real recorders that come and go, and what became of what they were sent."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from signer.domain.records import Recorded
from signer.domain.verified_log import VerifiedLog
from signer.errors import SignerError
from signer.recorder.addresses import socket_path
from signer.recorder.client import RecorderClient
from signer.recorder.probe import prove
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.database import Database
from signer.storage.log_reader import SqlLogReader
from tests.support.books import SqlBook, entry
from tests.support.clock import ManualClock
from tests.support.recorders import WAIT_SECONDS, settings_of, setup_line, supervised

PAST = datetime(2020, 1, 1, tzinfo=UTC)


class Scene:
    """An installation with a log, a version that signs, and recorders that come and go."""

    def __init__(self, directory: Path, url: str, database: Database) -> None:
        self.directory, self.url = directory, url
        self.file = settings_of(directory, url).log.checkpoint_file
        self._setup = setup_line(directory, url)
        self.book = SqlBook(database, ManualClock(PAST))
        self.version = self.book.version()
        self.control = directory.parent / "control"

    def recorder(self) -> Any:
        """A recorder that is looked after."""
        return supervised(self.directory, self.url, setup=self._setup)

    def entry(self, name: object) -> Any:
        """What a worker has recorded."""
        return entry(self.version, name, access_revision=self.book.revision())

    def send(self, sent: Any, *, seconds: float = WAIT_SECONDS) -> Any:
        """What becomes of it."""

        async def scene() -> Any:
            client = RecorderClient(socket_path(self.directory))
            try:
                (answer,) = await client.record_many([sent], deadline=time.monotonic() + seconds)
            finally:
                client.close()
                await asyncio.sleep(0)
            return answer

        return asyncio.run(scene())

    def record(self, name: object) -> Any:
        """A signature of this manifest."""
        return self.send(self.entry(name))

    def disk(self, *commands: str) -> None:
        """From its next call on, the disk under the checkpoint's file does this."""
        written = self.control.with_suffix(".new")
        written.write_text("".join(f"{line}\n" for line in commands))
        written.replace(self.control)

    def trouble(self) -> SignerError | None:
        """What readiness is told."""
        try:
            prove(socket_path(self.directory), timeout=WAIT_SECONDS)
        except SignerError as error:
            return error
        return None

    def certified(self) -> int:
        """How many leaves the checkpoint in the file covers."""
        return CheckpointFile(self.file).read().log.size

    def check(self, answers: list[Recorded]) -> None:
        """The log is whole, the file is of it, and each answer is on record once, under a checkpoint there was."""
        reader = SqlLogReader(database=self.book.database)
        head, saved = reader.head(), CheckpointFile(self.file).read()
        log = VerifiedLog().extended(reader.leaves(0, head.size))
        log.require(head.root)
        assert VerifiedLog().extended(reader.leaves(0, saved.log.size)).frontier == saved.frontier
        written = {each.index: each.document for each in self.book.written()}
        assert len({answer.index for answer in answers}) == len(answers)
        for answer in answers:
            assert answer.signature in written[answer.index]
            assert answer.index < answer.size <= saved.log.size
