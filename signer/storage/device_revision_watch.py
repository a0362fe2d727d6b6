"""The counter of what takes power from tokens, for an event loop.

SQLite says in microseconds whether anything at all was committed since it was asked last, so it is asked each time, on
the loop, through one connection that does nothing else and never waits for a lock. PostgreSQL is asked at an interval,
and what was not seen lately is not known.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable

from signer.errors import SignerError, TokenStatesUnavailable
from signer.services.token_state_ports import RevisionWatch
from signer.storage.database import Database
from signer.storage.device_state import device_revision
from signer.storage.driver_errors import translated
from signer.storage.on_record import FILE_LOOK_SECONDS
from signer.storage.sqlite import SqliteFile

LOOK_SECONDS = 0.5
# What was taken away is believed for at most this long where a server has to be asked.
MAX_AGE_SECONDS = 2.0
_DATA_VERSION = "PRAGMA data_version"
_REVISION = "SELECT revision FROM device_state"


def revision_watch(database: Database) -> RevisionWatch:
    """``services.token_state_ports.RevisionWatch`` on this database."""
    file = database.sqlite_file
    return ServerRevisionWatch(database) if file is None else SqliteRevisionWatch(file)


class SqliteRevisionWatch:
    """On an SQLite file, looked at each time."""

    def __init__(self, file: SqliteFile, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._monotonic = monotonic
        self._look_at = 0.0
        self._connection: sqlite3.Connection | None = None
        # Of the connection: it changes when another one has committed anything.
        self._version: int | None = None
        self._revision = 0

    def start(self) -> None:
        """Nothing runs."""

    async def revision(self) -> int:
        """As the port."""
        with translated():
            now = self._monotonic()
            if now >= self._look_at:
                self._file.check()
                self._look_at = now + FILE_LOOK_SECONDS
            if self._connection is None:
                self._connection = self._file.connect(0)
            (version,) = self._connection.execute(_DATA_VERSION).fetchone()
            if version != self._version:
                (self._revision,) = self._connection.execute(_REVISION).fetchone()
                self._version = version
        return self._revision

    def close(self) -> None:
        """Let the file go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class ServerRevisionWatch:
    """On a server, asked by one task."""

    def __init__(
        self,
        database: Database,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._database = database
        self._monotonic = monotonic
        self._look_seconds = look_seconds
        self._task: asyncio.Task[None] | None = None
        self._looked_at: float | None = None
        self._revision = 0

    def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.get_running_loop().create_task(self._ask())

    async def revision(self) -> int:
        """As the port."""
        if self._looked_at is None:
            await self.look()
        if self._looked_at is None or self._monotonic() - self._looked_at > MAX_AGE_SECONDS:
            raise TokenStatesUnavailable
        return self._revision

    async def look(self) -> None:
        """Ask once."""
        begun = self._monotonic()
        self._revision = await asyncio.to_thread(self._read)
        self._looked_at = begun  # what was committed before that is seen

    def close(self) -> None:
        """Ask no more; the connections are the database's."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _ask(self) -> None:
        while True:
            with contextlib.suppress(SignerError):  # whoever asks is told; it answers again by itself
                await self.look()
            await asyncio.sleep(self._look_seconds)

    def _read(self) -> int:
        with self._database.within(MAX_AGE_SECONDS), self._database.reading() as connection:
            return device_revision(connection)
