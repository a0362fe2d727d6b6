"""The engine, and the two ways of using it: a read without a transaction, a write with one.

Writes lock the rows of key versions by ascending id and the events last, so that no two transactions wait for each
other. Where a database asks one of two to give way all the same, ``retried`` takes it once more from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError

from signer.config import DatabaseSettings
from signer.errors import ConfigurationInvalid, DatabaseRevisionMismatch, DatabaseUnavailable
from signer.storage.allowance import Allowance
from signer.storage.driver_errors import GAVE_WAY, sqlstate, translated
from signer.storage.kept_connection import KeptConnection
from signer.storage.sqlite import BEGINS_NOTHING, MILLISECONDS, SqliteFile, attach
from signer.storage.write_ahead import WriteAheadLog

if TYPE_CHECKING:  # a fifth of what a recorder imports, and it never asks for the revision
    from alembic.config import Config
    from alembic.script import ScriptDirectory

MIGRATION_LOCK = 0x61727473  # any number that other programs on the same server do not lock
SHORTEST_CONNECT_SECONDS = 2  # of libpq
NO_SERVER = nullcontext()

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def retried(method: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Take a whole transaction once more, from its beginning, where it had to give way to another."""

    @wraps(method)
    def taken(*arguments: Parameters.args, **options: Parameters.kwargs) -> Result:
        try:
            return method(*arguments, **options)
        except DatabaseUnavailable as error:
            if sqlstate(error.__cause__) not in GAVE_WAY:
                raise
            return method(*arguments, **options)

    return taken


def gave_way_or_lost(error: DatabaseUnavailable) -> bool:
    """Whether a transaction had to give way, or its connection was lost: then nobody knows whether it is committed.

    Only for transactions that may be taken again whatever became of them.
    """
    cause = error.__cause__
    return sqlstate(cause) in GAVE_WAY or (isinstance(cause, DBAPIError) and cause.connection_invalidated)


# Connections for queries begin no transactions by themselves.
# SQLAlchemy's own option has SQLite forget every prepared statement, each time that a connection is given back.
_WITHOUT_TRANSACTION: dict[str, dict[str, Any]] = {
    "sqlite": {BEGINS_NOTHING: True},
    "postgresql": {"isolation_level": "AUTOCOMMIT"},
}
_SNAPSHOT = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}


class Database:
    """A database, opened lazily. Safe for threads; not to be carried over a fork."""

    def __init__(self, settings: DatabaseSettings) -> None:
        url = _url(settings)
        self._allowance = Allowance()
        self._engine = _engine(url, settings, self._allowance)
        self._file = SqliteFile(Path(url.database or "")) if url.get_backend_name() == "sqlite" else None
        self._begin = None if self._file is None else attach(self._engine, self._file, settings.timeout)
        self._reading = self._engine.execution_options(**_WITHOUT_TRANSACTION[url.get_backend_name()])
        self._kept: list[KeptConnection] = []

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    @property
    def sqlite_file(self) -> SqliteFile | None:
        """The file of an SQLite database; None for other databases."""
        return self._file

    def write_ahead_log(self) -> WriteAheadLog | None:
        """What copies the log of an SQLite database back; None for other databases."""
        return None if self._file is None else WriteAheadLog(self._file)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for queries. Raises ``DatabaseUnavailable`` or ``DatabaseFileLost``."""
        with translated(), self._reading.connect() as connection:
            self._check_file()
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection for queries that all see one moment. Raises what ``reading`` raises.

        As long as it lasts, SQLite's write-ahead log grows: keep it short, or know why.
        """
        with self.reading() as connection:
            connection.exec_driver_sql(_SNAPSHOT[self.dialect])
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: committed and durable at the end, rolled back on any error.

        Raises ``DatabaseUnavailable``, ``DatabaseFull``, ``DatabaseReadOnly`` or ``DatabaseFileLost``; the last one
        also after the commit, since nobody knows then whether what was written is still there.
        """
        with translated():
            with self._engine.begin() as connection:
                self._check_file()
                yield connection
            self._check_file()

    def kept(self) -> KeptConnection | Database:
        """The same two ways for one thread that goes them again and again: on SQLite, on one connection all the time.

        A server's connections are asked each time whether they still are.
        """
        if self._file is None or self._begin is None:
            return self
        self._kept.append(KeptConnection(self._reading, self._file, self._begin))
        return self._kept[-1]

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Until the block ends, what this thread asks of a server is over ``seconds`` from now.

        Only making a connection, begun before that, may take ``SHORTEST_CONNECT_SECONDS`` longer.
        """
        return self._allowance.within(seconds) if self._file is None else NO_SERVER

    def upgrade(self, *, then: Callable[[Connection], None] | None = None) -> tuple[str | None, str]:
        """Bring the schema to the revision of this release; an SQLite file that is missing is made.

        ``then``: what else belongs to it, in the same transaction. Returns the revision before (None: there was none)
        and the one after.

        Raises ``DatabaseRevisionMismatch`` where it is at one that this release does not know.
        """
        from alembic import command

        configuration = _alembic()
        if self._file is not None:
            self._file.create()
        with self.writing() as connection:
            if connection.dialect.name == "postgresql":
                # Several machines may begin at the same moment; SQLite has let in only one already.
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            before, expected = _known_revision(connection)
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")
            if then is not None:
                then(connection)
        return before, expected

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
        for kept in self._kept:
            kept.let_go()
        self._engine.dispose()

    def _check_file(self) -> None:
        if self._file is not None:
            self._file.check()


def _revisions(connection: Connection) -> tuple[str | None, str]:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision(), _expected_revision()


def _known_revision(connection: Connection) -> tuple[str | None, str]:
    found, expected = _revisions(connection)
    known = {script.revision for script in _scripts().walk_revisions()}
    if found is not None and found not in known:
        raise DatabaseRevisionMismatch(found=found, expected=expected)
    return found, expected


@cache
def _expected_revision() -> str:
    """Of this release; found once: reading all migrations takes some 20 ms, and readiness asks again and again."""
    expected = _scripts().get_current_head()
    if expected is None:
        raise LookupError("the release carries no migrations")
    return expected


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_alembic())


def _alembic() -> Config:
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    configuration.set_main_option("path_separator", "os")
    return configuration


def _url(settings: DatabaseSettings) -> URL:
    url = make_url(settings.url)
    return url if settings.password_file is None else url.set(password=_password(settings.password_file))


def _engine(url: URL, settings: DatabaseSettings, allowance: Allowance) -> Engine:
    if url.get_backend_name() == "sqlite":
        return create_engine(url, pool_timeout=settings.timeout)
    milliseconds = int(settings.timeout * MILLISECONDS)
    try:
        engine = create_engine(
            url,
            connect_args={
                "connect_timeout": max(SHORTEST_CONNECT_SECONDS, int(settings.timeout)),
                "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} "
                # Times are read in UTC: the last ones of the calendar have no form further east.
                "-c TimeZone=UTC",
            },
            pool_timeout=settings.timeout,
            pool_pre_ping=True,
        )
    except ImportError as error:
        problem = "the driver for PostgreSQL is not installed: pip install 'artifact-signer[postgres]'"
        raise ConfigurationInvalid(path="database.url", problems=(problem,)) from error
    event.listen(engine, "do_connect", partial(_connect_postgres, settings.timeout, allowance))
    return engine


def _password(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationInvalid(
            path=str(path), problems=(f"database.password_file cannot be read: {reason}",)
        ) from error


def _connect_postgres(
    timeout: float, allowance: Allowance, _dialect: Any, _record: Any, arguments: Any, parameters: Any
) -> Any:
    from signer.storage.postgres import connect

    return connect(timeout, allowance, *arguments, **parameters)
