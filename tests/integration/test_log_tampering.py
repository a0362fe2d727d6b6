"""Whoever can write the database does so under real processes, and then one signature is asked for."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, text

from signer.domain.records import Recorded, Refusal, Refused
from signer.errors import ClockDiffers, LogStopped
from tests.support.databases import Opener
from tests.support.postgres import Cluster
from tests.support.recorder_scene import Scene
from tests.support.recorders import until
from tests.support.rows import slow_but
from tests.support.shared_objects import shared_object
from tests.support.tampering import TAMPERINGS, without_triggers


@pytest.fixture(params=slow_but({"sqlite"}, ("sqlite", "postgresql")))
def database_url(request: pytest.FixtureRequest) -> str:
    """Each kind of database: what can be changed in it, and what it says of the time, differ."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def scene(tmp_path: Path, database_url: str, open_database: Opener) -> Scene:
    return Scene(tmp_path / "spool", database_url, open_database())


def as_a_stranger(scene: Scene, change: Callable[[Connection], object]) -> None:
    """The change is committed over a connection of another program."""
    stranger = create_engine(scene.url)
    try:
        with stranger.begin() as connection:
            without_triggers(connection)
            if connection.dialect.name == "postgresql":
                # The last times of the calendar have no form further east.
                connection.execute(text("SET LOCAL TimeZone = 'UTC'"))
            change(connection)
    finally:
        stranger.dispose()


def stopped_by(scene: Scene, *names: object) -> set[str]:
    """Why nothing is given out: what each of these signatures is answered with, and readiness."""
    answers = [*(scene.record(name) for name in names), scene.trouble()]
    assert all(isinstance(answer, LogStopped) for answer in answers), answers
    return {answer.reason for answer in answers if isinstance(answer, LogStopped)}


# The others go the same way, and tests/contract has them all without processes.
FIRST = {"an API token is planted"}


@pytest.mark.parametrize("sentence", slow_but(FIRST, TAMPERINGS))
def test_one_signature_after_it_stops_everything(scene: Scene, sentence: str) -> None:
    tampering = TAMPERINGS[sentence]
    with scene.recorder() as supervisor:
        assert isinstance(scene.record("before"), Recorded)
        pid = supervisor.pid
        as_a_stranger(scene, tampering.change)
        assert stopped_by(scene, "after", "later") == {tampering.found.code}
        assert supervisor.pid == pid
    with scene.recorder():
        # The next one holds nothing but the checkpoint: it names what it finds there, and signs as little.
        assert stopped_by(scene, "the next one") <= {tampering.found.code, "log-damaged", "log-forked"}


SQLITE_FLIPS = {
    "a leaf": "UPDATE log_leaves SET leaf = CAST(replace(CAST(leaf AS TEXT), 'firmware', 'firmwarf') AS BLOB)"
    " WHERE id = new.id",
    "the time of a leaf": "UPDATE log_leaves SET leaf = CAST(replace(CAST(leaf AS TEXT), 'Z\"', 'Y\"') AS BLOB)"
    " WHERE id = new.id",
}
POSTGRESQL_FLIPS = {
    "a leaf": "NEW.leaf := set_byte(NEW.leaf, 20, get_byte(NEW.leaf, 20) # 1);",
    "the time of a leaf": "NEW.leaf := set_byte(NEW.leaf, length(NEW.leaf) - 1, get_byte(NEW.leaf, 20) # 1);",
}


def flip(connection: Connection, sentence: str) -> None:
    """From now on what is inserted is not what was hashed."""
    if connection.dialect.name == "sqlite":
        connection.execute(text(f"CREATE TRIGGER flip AFTER INSERT ON log_leaves BEGIN {SQLITE_FLIPS[sentence]}; END"))
        return
    connection.exec_driver_sql(
        "CREATE FUNCTION flip() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {POSTGRESQL_FLIPS[sentence]} RETURN NEW; END $$"
    )
    connection.exec_driver_sql("CREATE TRIGGER flip BEFORE INSERT ON log_leaves FOR EACH ROW EXECUTE FUNCTION flip()")


@pytest.fixture
def unflipped(scene: Scene) -> Iterator[None]:
    """The tests of a process share a server's database: its tables have no more triggers at the end."""
    yield
    if scene.book.database.dialect == "postgresql":
        with scene.book.database.writing() as connection:
            connection.exec_driver_sql("DROP FUNCTION flip CASCADE")


@pytest.mark.usefixtures("unflipped")
@pytest.mark.parametrize("sentence", slow_but(set(), SQLITE_FLIPS))
def test_a_bit_that_flips_between_hashing_and_storing_is_never_certified(scene: Scene, sentence: str) -> None:
    with scene.recorder():
        first = scene.record("before")
        as_a_stranger(scene, lambda connection: flip(connection, sentence))
        assert stopped_by(scene, "after", "later") <= {"log-damaged", "log-forked"}
    assert isinstance(first, Recorded)
    assert scene.certified() == first.size


@pytest.mark.slow
def test_an_older_database_is_put_back_under_a_running_recorder(
    tmp_path: Path, postgres_cluster: Cluster, postgres_url: str
) -> None:
    opener = Opener(postgres_url)
    scene = Scene(tmp_path / "spool", postgres_url, opener())
    with postgres_cluster.connect("postgres") as server, scene.recorder():
        first = scene.record("first")
        opener.close()
        exchange(server, "CREATE DATABASE older TEMPLATE shared")
        second = scene.record("second")
        opener.close()
        exchange(server, "ALTER DATABASE shared RENAME TO newest", "ALTER DATABASE older RENAME TO shared")
        assert stopped_by(scene, "third") == {"log-rolled-back"}
        opener.close()
        exchange(server, "ALTER DATABASE shared RENAME TO older", "ALTER DATABASE newest RENAME TO shared")
        server.execute("DROP DATABASE older WITH (FORCE)")
        assert stopped_by(scene, "fourth") == {"log-rolled-back"}, "until somebody has looked"
    with scene.recorder():
        scene.check([first, second, scene.record("fifth")])
    opener.close()


def exchange(server: psycopg.Connection, *statements: str) -> None:
    """Do this with databases, which nobody may be connected to meanwhile."""
    names = ("shared", "older", "newest")
    for name in names:
        if server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")  # type: ignore[arg-type]
    server.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = ANY(%s)", [list(names)]
    )
    for statement in statements:
        server.execute(statement)  # type: ignore[arg-type]
    for name in names:
        if server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")  # type: ignore[arg-type]


class ShiftedClock:
    """The clock of what is started from now on. The file is written in place: it is mapped."""

    def __init__(self, control: Path) -> None:
        self._control = control
        control.write_bytes(bytes(8))

    def set(self, seconds: int) -> None:
        """By so many seconds ahead."""
        descriptor = os.open(self._control, os.O_WRONLY)
        os.pwrite(descriptor, struct.pack("=q", seconds), 0)
        os.close(descriptor)


@pytest.fixture
def shifted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShiftedClock:
    clock = ShiftedClock(tmp_path / "clock.control")
    monkeypatch.setenv("LD_PRELOAD", str(shared_object("clock", tmp_path)))
    monkeypatch.setenv("CLOCK_CONTROL", str(tmp_path / "clock.control"))
    return clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """By how much the clock is set under a running recorder, and what a signature is answered with then."""

    seconds: int
    sqlite: object
    postgresql: object


RECORDED, BEHIND, DIFFERS = Recorded, Refused(reason=Refusal.CLOCK_BEHIND), ClockDiffers
CLOCKS = {
    "not at all": Clock(seconds=0, sqlite=RECORDED, postgresql=RECORDED),
    "back within the tolerance": Clock(seconds=-3, sqlite=RECORDED, postgresql=RECORDED),
    "back an hour": Clock(seconds=-3600, sqlite=BEHIND, postgresql=DIFFERS),
    "back to 1980": Clock(seconds=-1_400_000_000, sqlite=BEHIND, postgresql=DIFFERS),
    # What is ahead of a file's record looks like time that has passed: workers compare with a clock that nobody sets.
    "ahead an hour": Clock(seconds=3600, sqlite=RECORDED, postgresql=DIFFERS),
}


@pytest.mark.parametrize("sentence", slow_but({"back an hour"}, CLOCKS))
def test_the_clock_is_set_under_the_log(scene: Scene, shifted: ShiftedClock, sentence: str) -> None:
    row = CLOCKS[sentence]
    expected = row.sqlite if scene.book.database.dialect == "sqlite" else row.postgresql
    with scene.recorder():
        first = scene.record("before")
        shifted.set(row.seconds)
        answer = scene.record("while")
        assert isinstance(answer, expected) if isinstance(expected, type) else answer == expected
        if expected is DIFFERS:
            trouble = scene.trouble()
            assert isinstance(trouble, ClockDiffers)
            assert abs(trouble.seconds - row.seconds) <= 2
        shifted.set(max(row.seconds, 0))
        if expected is DIFFERS:
            shifted.set(0)
        last = scene.record("after")
        until(lambda: scene.trouble() is None)
    scene.check([each for each in (first, answer, last) if isinstance(each, Recorded)])
    assert first.at <= last.at, "no time on record goes back"


@pytest.mark.slow
def test_a_recorder_that_is_killed_over_a_changed_log_leaves_it_uncertified(scene: Scene) -> None:
    """What it found is found again, by the one that is started in its place."""
    with scene.recorder() as supervisor:
        first = scene.record("before")
        as_a_stranger(scene, TAMPERINGS["the last leaf is rewritten, consistently"].change)
        pid = supervisor.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda: supervisor.pid not in (None, pid))
        assert stopped_by(scene, "after") == {"log-forked"}
    assert scene.certified() == first.size
