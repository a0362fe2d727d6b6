"""The engine, and the two ways of using it: a read without a transaction, a write with one.

SQLite runs in WAL mode with full synchronisation, and a write takes its lock at the start: a transaction that
begins by reading and then writes can otherwise fail for no reason a caller could mend.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from signer.config import DatabaseSettings
from signer.errors import ConfigurationInvalid, DatabaseDamaged, DatabaseRevisionMismatch, DatabaseUnavailable

MILLISECONDS = 1000
MIGRATION_LOCK = 0x61727473  # any number that other programs on the same server do not lock
LOCK_LOOK_SECONDS = 0.0003


class Database:
    """A database, opened lazily. Safe for threads; not to be carried over a fork."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._engine = _engine(settings)
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for queries. Raises ``DatabaseUnavailable``."""
        with _translated(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: committed and durable at the end, rolled back on any error."""
        with _translated(), self._engine.begin() as connection:
            yield connection

    def upgrade(self) -> None:
        """Bring the schema to the revision of this release.

        Raises ``DatabaseRevisionMismatch`` where it is at one that this release does not know.
        """
        configuration = _alembic()
        with self.writing() as connection:
            if connection.dialect.name == "postgresql":
                # Several machines may begin at the same moment; SQLite has let in only one already.
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            _require_known_revision(connection)
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")

    def revisions(self) -> tuple[str | None, str]:
        """The revision found in the database (None: none) and the one that this release expects."""
        with self.reading() as connection:
            return _revisions(connection)

    def check_revision(self) -> None:
        """Raises ``DatabaseRevisionMismatch`` unless the schema is the expected one."""
        found, expected = self.revisions()
        if found != expected:
            raise DatabaseRevisionMismatch(found=found, expected=expected)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _revisions(connection: Connection) -> tuple[str | None, str]:
    expected = ScriptDirectory.from_config(_alembic()).get_current_head()
    if expected is None:
        raise LookupError("the release carries no migrations")
    return MigrationContext.configure(connection).get_current_revision(), expected


def _require_known_revision(connection: Connection) -> None:
    found, expected = _revisions(connection)
    known = {script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()}
    if found is not None and found not in known:
        raise DatabaseRevisionMismatch(found=found, expected=expected)


def _alembic() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    configuration.set_main_option("path_separator", "os")
    return configuration


def _engine(settings: DatabaseSettings) -> Engine:
    url = make_url(settings.url)
    if settings.password_file is not None:
        url = url.set(password=_password(settings.password_file))
    arguments: dict[str, Any]
    if url.get_backend_name() == "sqlite":
        arguments = {"timeout": settings.timeout}
    else:
        milliseconds = int(settings.timeout * MILLISECONDS)
        arguments = {
            "connect_timeout": max(2, int(settings.timeout)),
            "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}",
        }
    try:
        engine = create_engine(
            url,
            connect_args=arguments,
            pool_timeout=settings.timeout,
            pool_pre_ping=url.get_backend_name() != "sqlite",
        )
    except ImportError as error:
        problem = "the driver for PostgreSQL is not installed: pip install 'artifact-signer[postgres]'"
        raise ConfigurationInvalid(path="database.url", problems=(problem,)) from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _BeginImmediate(settings.timeout))
    else:
        event.listen(engine, "do_connect", partial(_connect_postgres, settings.timeout))
    return engine


def _password(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationInvalid(
            path=str(path), problems=(f"database.password_file cannot be read: {reason}",)
        ) from error


def _connect_postgres(timeout: float, _dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
    from signer.storage.postgres import connect

    return connect(timeout, *arguments, **parameters)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling would begin too late; _BeginImmediate takes its place.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


class _BeginImmediate:
    """Begins a write on SQLite as soon as the lock is free, and at the latest after ``timeout`` seconds.

    SQLite's own waiting sleeps up to 100 ms between looks, while a writer is done in a fraction of one: two
    workers would spend their time asleep.
    """

    def __init__(self, timeout: float) -> None:
        self._restore = f"PRAGMA busy_timeout={int(timeout * MILLISECONDS)}"
        self._timeout = timeout

    def __call__(self, connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            return
        driver: Any = connection.connection.dbapi_connection
        driver.execute("PRAGMA busy_timeout=0").close()
        deadline = time.monotonic() + self._timeout
        try:
            while not _begun(driver):
                if time.monotonic() > deadline:
                    raise DatabaseUnavailable
                time.sleep(LOCK_LOOK_SECONDS)
        finally:
            driver.execute(self._restore).close()


def _begun(driver: Any) -> bool:
    try:
        driver.execute("BEGIN IMMEDIATE").close()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return False
        raise DatabaseUnavailable from error
    return True


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, PoolTimeout, sqlite3.OperationalError) as error:
        raise DatabaseUnavailable from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable from error
        if type(error) is DatabaseError:  # its subclasses are about statements
            raise DatabaseDamaged(damage=(str(error.orig),)) from error
        raise
    except sqlite3.DatabaseError as error:  # from the hooks above, where nothing wraps it
        raise DatabaseDamaged(damage=(str(error),)) from error
