"""A connection to an SQLite file that one thread keeps, and uses again and again."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine

from signer.storage.driver_errors import meant
from signer.storage.sqlite import BeginImmediate, SqliteFile

# The indexes by digests touch pages all over the file with each commit.
CACHE_KIBIBYTES = 16 * 1024


class KeptConnection:
    """A connection, used as ``Database`` uses one. For one thread, and one use at a time.

    Taking one and giving it back costs as much as a small transaction, and so does having the layer of statements
    begin it: the driver is told itself. After an error it is given back all the same, which rolls back: what has
    become of it is for the pool to find out.

    ``engine``: whose connections begin no transactions by themselves.
    """

    def __init__(self, engine: Engine, file: SqliteFile, begin: BeginImmediate) -> None:
        self._engine = engine
        self._file = file
        self._begin = begin
        self._connection: Connection | None = None
        self._reading = _Use(self, writes=False)
        self._writing = _Use(self, writes=True)

    def reading(self) -> _Use:
        """As ``Database.reading``."""
        return self._reading

    def writing(self) -> _Use:
        """As ``Database.writing``."""
        return self._writing

    def let_go(self) -> None:
        """Give the connection back; the next use takes another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                self._begin.wait_again(connection.connection.dbapi_connection)
            finally:
                connection.close()

    def begun(self, *, writes: bool) -> Connection:
        """The connection, and with it a transaction where it is to write."""
        if self._connection is None:
            self._connection = self._taken()
        if writes:
            self._begin.begin(self._connection.connection.dbapi_connection)
        self._file.check()
        return self._connection

    def ended(self, *, writes: bool) -> None:
        """What was written is durable when this returns."""
        connection = self._connection
        assert connection is not None  # noqa: S101  (it was begun)
        if writes:
            driver: Any = connection.connection.dbapi_connection
            driver.commit()
            self._file.check()
        if connection.in_transaction():
            # What the layer takes for one, since a statement went through it.
            connection.rollback()

    def _taken(self) -> Connection:
        connection = self._engine.connect()
        driver: Any = connection.connection.dbapi_connection
        driver.execute(f"PRAGMA cache_size=-{CACHE_KIBIBYTES}").close()
        # Who reads waits for nobody, and a write for its lock alone, which the beginning does.
        self._begin.wait_for_nothing(driver)
        return connection


class _Use:
    """One use after the other: what makes a manager of a generator costs as much as a statement, at each of them."""

    def __init__(self, kept: KeptConnection, *, writes: bool) -> None:
        self._kept = kept
        self._writes = writes

    def __enter__(self) -> Connection:
        try:
            return self._kept.begun(writes=self._writes)
        except BaseException as error:
            self._failed(error)
            raise

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        if error is not None:
            self._failed(error)
            return
        try:
            self._kept.ended(writes=self._writes)
        except BaseException as failure:
            self._failed(failure)
            raise

    def _failed(self, error: BaseException) -> None:
        self._kept.let_go()
        refusal = meant(error)
        if refusal is not None:
            raise refusal from error
