"""Connections to an SQLite file that is opened, never made, and that stays the one that was opened.

1. A connection does not make its file: an empty database in the place of a lost one would look like a new installation.
2. The file and its write-ahead log are known by device and inode. Where another has taken their place, or none, what
   an open connection still writes would be gone with its last descriptor: nothing is read or written any more.
3. A write takes its lock at the start: a transaction that begins by reading and then writes can otherwise fail for no
   reason a caller could mend.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, event

from signer.errors import DatabaseFileLost, DatabaseUnavailable

MILLISECONDS = 1000
LOCK_LOOK_SECONDS = 0.0003
OWNER_ONLY = 0o600
# Durable commits, readers that never wait for writers, references that are kept, and a log that one process alone
# copies back (see write_ahead).
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=0")
# An execution option of connections that only read: each of their statements stands for itself.
BEGINS_NOTHING = "begins_nothing"

Identity = tuple[int, int]


class SqliteFile:
    """The file of a database, and what it was when the first connection opened it. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._places = str(self._path), str(self._log)
        self._lock = threading.Lock()
        self._identity: Identity | None = None
        self._log_identity: Identity | None = None
        self._connections = 0

    def create(self) -> None:
        """Make the file where it is missing; in any case nobody but its owner may read it. Raises ``OSError``."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
        try:
            # SQLite gives the files beside it the same mode.
            os.fchmod(descriptor, OWNER_ONLY)
        finally:
            os.close(descriptor)

    def connect(self, timeout: float) -> sqlite3.Connection:
        """A connection whose waits for locks end after ``timeout`` seconds. Raises ``DatabaseFileLost``."""
        self.check()
        if not self._path.exists():
            raise DatabaseFileLost(found="file missing")
        connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode=rw",
            uri=True,
            timeout=timeout,
            # The pool hands a connection to one thread at a time.
            check_same_thread=False,
            # The driver's own transaction handling would begin too late; BeginImmediate takes its place.
            isolation_level=None,
        )
        try:
            for pragma in PRAGMAS:
                connection.execute(f"PRAGMA {pragma}").close()
            self._opened()
        except BaseException:
            connection.close()
            raise
        return connection

    def check(self) -> None:
        """Raises ``DatabaseFileLost`` where the file or its log is not what the open connections write to."""
        file, log = self._places
        with self._lock:
            if self._identity is not None and (found := _identity(file)) != self._identity:
                raise _lost(found, "file")
            if self._log_identity is not None:
                if (found := _identity(log)) != self._log_identity:
                    raise _lost(found, "write-ahead log")
            elif self._connections:
                self._log_identity = _identity(log)

    def log_size(self) -> int:
        """Bytes of the write-ahead log; 0 where there is none."""
        try:
            return self._log.stat().st_size
        except OSError:
            return 0

    def closed(self) -> None:
        """One connection is gone; with the last one of all processes SQLite removes the log."""
        with self._lock:
            self._connections -= 1
            if self._connections == 0:
                self._log_identity = None

    def _opened(self) -> None:
        file, log = self._places
        with self._lock:
            self._connections += 1
            self._identity = self._identity or _identity(file)
            self._log_identity = self._log_identity or _identity(log)


def _identity(path: str) -> Identity | None:
    try:
        status = os.stat(path)  # noqa: PTH116  (asked six times for each commit)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _lost(found: Identity | None, part: str) -> DatabaseFileLost:
    return DatabaseFileLost(found=f"{part} {'missing' if found is None else 'replaced'}")


def attach(engine: Engine, file: SqliteFile, timeout: float) -> BeginImmediate:
    """Let every connection of the engine be one of ``file``; gives what begins their transactions."""
    begin_immediate = BeginImmediate(timeout)

    def connect(_dialect: Any, _record: Any, _arguments: Any, _parameters: Any) -> sqlite3.Connection:
        return file.connect(timeout)

    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(BEGINS_NOTHING):
            begin_immediate(connection.connection.dbapi_connection)

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "close", lambda _connection, _record: file.closed())
    event.listen(engine, "begin", begin)
    return begin_immediate


class BeginImmediate:
    """Begins a write as soon as the lock is free, and at the latest after ``timeout`` seconds.

    SQLite's own waiting sleeps up to 100 ms between looks, while a writer is done in a fraction of one: two
    workers would spend their time asleep.
    """

    def __init__(self, timeout: float) -> None:
        self._restore = f"PRAGMA busy_timeout={int(timeout * MILLISECONDS)}"
        self._timeout = timeout

    def __call__(self, driver: Any) -> None:
        """On this connection of the driver; raises ``DatabaseUnavailable``."""
        self.wait_for_nothing(driver)
        try:
            self.begin(driver)
        finally:
            self.wait_again(driver)

    def begin(self, driver: Any) -> None:
        """The same on a connection that waits for nothing by itself."""
        deadline = time.monotonic() + self._timeout
        while not _begun(driver):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable
            time.sleep(LOCK_LOOK_SECONDS)

    def wait_for_nothing(self, driver: Any) -> None:
        """Let the connection wait for no lock by itself, until ``wait_again``."""
        driver.execute("PRAGMA busy_timeout=0").close()

    def wait_again(self, driver: Any) -> None:
        """Let it wait as all connections do."""
        driver.execute(self._restore).close()


def _begun(driver: Any) -> bool:
    try:
        driver.execute("BEGIN IMMEDIATE").close()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True
