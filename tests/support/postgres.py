"""A private PostgreSQL server for the tests: its own cluster in a temporary directory, reached over a Unix socket.

The server refuses to run as root; then everything is done as the ``postgres`` user of Debian's package. Nothing is
durable (fsync off) and nothing listens on the network.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from signer.storage.schema import metadata

INSTALLED_UNDER = Path("/usr/lib/postgresql")
START_SECONDS = 30.0
USER = "signer"
PR_SET_PDEATHSIG = 1
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "150",
    "shared_buffers": "32MB",
    # What a test leaves behind is removed by the next one; nobody else goes through it meanwhile.
    "autovacuum": "off",
    # Not UTC, and with a change of summer time: a moment that lost its zone on the way is found out.
    "timezone": "Europe/Berlin",
}

# A table that rows were deleted from keeps its pages; from here on a new file is cheaper than to read through them.
MANY_PAGES_BYTES = 1 << 19
LARGEST = """SELECT max(pg_total_relation_size(oid)) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"""
# What a database holds when it is new, with a log that has begun.
KEPT = ("access_state", "device_state", "log_head", "log_leaves", "policy_revisions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running server: ``directory`` holds its socket and data, ``pid`` is its first process."""

    binaries: Path
    directory: Path
    pid: int

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one database."""
        return f"postgresql+psycopg://{USER}@/{database}?host={self.directory}"

    def create_database(self, name: str) -> str:
        """An empty database; returns its URL."""
        _run([self.binaries / "createdb", "-h", self.directory, "-U", USER, name])
        return self.url(name)

    @contextmanager
    def copied(self, name: str, copy: str) -> Iterator[str]:
        """A copy of a database that nobody is connected to, gone at the end; its URL."""
        server = ["-h", self.directory, "-U", USER]
        _run([self.binaries / "createdb", *server, "-T", name, copy])
        try:
            yield self.url(copy)
        finally:
            _run([self.binaries / "dropdb", *server, "--force", copy])

    def emptied(self, name: str) -> str:
        """Remove all rows but those of ``keep``, which is faster than another database; returns its URL."""
        with self.connect(name) as connection:
            # Triggers keep records from being removed; the server's own administrator may switch them off.
            connection.execute("SET session_replication_role = replica")
            connection.execute("; ".join([*_removals(connection), *_put_back()]))  # type: ignore[arg-type]
        return self.url(name)

    def keep(self, name: str) -> None:
        """Keep what a migrated database holds, for ``emptied`` to put back."""
        with self.connect(name) as connection:
            connection.execute("CREATE SCHEMA kept")
            for table in KEPT:
                connection.execute(f"CREATE TABLE kept.{table} AS SELECT * FROM {table}")  # type: ignore[arg-type]

    def connect(self, name: str) -> psycopg.Connection:
        """A connection of the test's own, committing each statement."""
        return psycopg.connect(host=str(self.directory), user=USER, dbname=name, autocommit=True)

    def waits_for(self, statement: str) -> None:
        """Until this query says that it is so."""
        deadline = time.monotonic() + START_SECONDS
        with self.connect("postgres") as connection:
            while not connection.execute(statement).fetchall()[0][0]:  # type: ignore[arg-type]
                assert time.monotonic() < deadline, statement
                time.sleep(0.02)

    def kill(self) -> None:
        """As a machine ends that loses its power: the files stay."""
        # The first process first: it would take note of the end of another one, and close up.
        family = (self.pid, *_children(self.pid))
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all processes of the server: connections stay, answers do not come."""
        family = [self.pid, *_children(self.pid)]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(family):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


def _removals(connection: psycopg.Connection) -> list[str]:
    """Statements after which no table has rows, and all numbers begin anew: new files cost six times as much."""
    names = [f'"{table}"' for table in metadata.tables]
    largest = connection.execute(LARGEST).fetchall()[0][0]
    if largest > MANY_PAGES_BYTES:
        return [f"TRUNCATE {', '.join(names)} RESTART IDENTITY"]
    sequences = "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'"
    return [*(f"DELETE FROM {name}" for name in names), sequences]


def _put_back() -> list[str]:
    return [f"INSERT INTO {table} SELECT * FROM kept.{table}" for table in KEPT]


def missing() -> str | None:
    """Why there can be no server here, or None."""
    if _binaries() is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    if os.geteuid() == 0 and _unprivileged() is None:
        return "PostgreSQL does not run as root, and there is no user postgres"
    return None


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A new server; it is stopped and its files are removed at the end."""
    binaries = _binaries()
    if binaries is None:
        raise LookupError(missing())
    with _directory() as directory:
        data = directory / "data"
        _run([binaries / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"])
        with serving(binaries, directory) as cluster:
            yield cluster


@contextmanager
def standby_of(primary: Cluster) -> Iterator[Cluster]:
    """A server that follows another one, as ``pg_basebackup`` makes it."""
    with _directory() as directory:
        source = ["-h", primary.directory, "-U", USER]
        _run(
            [primary.binaries / "pg_basebackup", *source, "-D", directory / "data", "-R", "-X", "stream", "-c", "fast"]
        )
        with serving(primary.binaries, directory) as cluster:
            yield cluster


@contextmanager
def serving(binaries: Path, directory: Path) -> Iterator[Cluster]:
    """The server over ``data`` in this directory; it is gone at the end."""
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    with (directory / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", directory / "data", "-k", directory, *options],
            stdout=log,
            stderr=log,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  (made by the main thread, before tests make others)
            **_as_unprivileged(),
        )
    try:
        _wait_until_ready(binaries, directory, server)
        yield Cluster(binaries=binaries, directory=directory, pid=server.pid)
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGQUIT)  # nothing in it is worth an orderly shutdown
            server.wait(START_SECONDS)


@contextmanager
def _directory() -> Iterator[Path]:
    """Not below pytest's own: the socket's path has to be short, and another user has to reach it."""
    directory = Path(tempfile.mkdtemp(prefix="signer-pg-"))
    try:
        account = _unprivileged()
        if account is not None:
            os.chown(directory, account.pw_uid, account.pw_gid)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _wait_until_ready(binaries: Path, directory: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run([binaries / "pg_isready", "-q", "-h", directory], check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((directory / "server.log").read_text(errors="replace"))
        with suppress(subprocess.TimeoutExpired):
            server.wait(0.05)


def _binaries() -> Path | None:
    found = sorted(INSTALLED_UNDER.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


def _unprivileged() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None


def _as_unprivileged() -> dict[str, object]:
    account = _unprivileged()
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "cwd": "/"}


def _end_with_parent() -> None:
    """Tests that are killed for taking too long leave no server behind (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def _run(command: list[Path | str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, **_as_unprivileged())  # type: ignore[call-overload]
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode(errors="replace"))


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in listed.split()]
