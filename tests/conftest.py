"""Parts that tests of several packages share: databases, a clock, and crowds of callers."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings

from tests.support import postgres
from tests.support.clock import ManualClock
from tests.support.compiled_once import compile_once
from tests.support.crowd import Crowd, gathered
from tests.support.databases import Opener, migrate
from tests.support.rows import slow_on_postgresql

_names = itertools.count()
# Both are times on the wall: what they find on a machine with other work is that work.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")
compile_once()
# Counting lines makes a test take twice as long. These folders run the lines that tests/verifier and tests/signer count
# once more, for what comes out of them: on another database, beside a judge, with bytes that are drawn. What
# tests/integration is about runs in other processes.
UNCOUNTED = (
    "architecture",
    "artifacts",
    "contract",
    "docs",
    "fuzz",
    "integration",
    "log_judges",
    "property",
    "verifier_judges",
)
# Files that are gone with their test need no disk, and nobody has to wait for one.
IN_MEMORY = Path("/dev/shm")
IN_MEMORY_BYTES = 8 << 30


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Temporary files lie in memory, where there is much of it and programs can be run from there.

    ``TMPDIR`` says otherwise; test processes inherit it.
    """
    if "TMPDIR" in os.environ or not IN_MEMORY.is_dir():
        return
    place = os.statvfs(IN_MEMORY)
    if place.f_bavail * place.f_frsize >= IN_MEMORY_BYTES and not place.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = str(IN_MEMORY)
        tempfile.tempdir = None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collecting makes half a million objects and no garbage: looking for it meanwhile takes as long as the rest.

    Nor are they looked through later, which would be a part of what some test takes.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which rows are slow; and what several tests share is made by one process, for which xdist asks next."""
    for item in items:
        slow_on_postgresql(item)
        if isinstance(item, pytest.Function) and (shared := _shared(item)) is not None:
            item.add_marker(pytest.mark.xdist_group(shared))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """No lines are counted for tests of ``UNCOUNTED`` folders, from what they are made of to what they clean up."""
    stopped: list[Coverage] = []
    # In a process of pytest-xdist there are two: with the upper one stopped, the other would count.
    while _folder(item) in UNCOUNTED and (counting := Coverage.current()) is not None:
        counting.stop()
        stopped.append(counting)
    try:
        return (yield)
    finally:
        for each in reversed(stopped):
            each.start()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What failed is remembered by its name without its group, which is no part of it where one process runs them.

    Only where reports of other processes arrive: these hold it against the name that they were told.
    """
    if hasattr(report, "node") and report.nodeid.rfind("@") > report.nodeid.rfind("]"):
        report.nodeid = report.nodeid.rpartition("@")[0]


def _folder(item: pytest.Item) -> str:
    """The name of the folder of ``tests`` that the test is in, however deep."""
    here = Path(__file__).parent
    return item.path.relative_to(here).parts[0] if item.path.is_relative_to(here) else ""


def _shared(item: pytest.Function) -> str | None:
    """The name of the costly thing that this test shares with others: the service, or what its module makes once."""
    if item.get_closest_marker("xdist_group") is not None:
        return None
    if _folder(item) == "architecture":
        return "architecture"  # the syntax trees of all files
    scopes = {(name, fixtures[-1].scope) for name, fixtures in item._fixtureinfo.name2fixturedefs.items() if fixtures}
    for name in ("service", "pair"):
        if (name, "session") in scopes:
            return name
    return item.nodeid.partition("::")[0] if any(scope == "module" for _, scope in scopes) else None


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What commands of these tests keep of logs is not the user's."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """What a command that ran in this process does with logging ends with its test, whose streams are closed then."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[postgres.Cluster]:
    """A private PostgreSQL server with a migrated database named ``shared``."""
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.running_cluster() as cluster:
        migrate(cluster.create_database("shared"))
        cluster.keep("shared")
        yield cluster


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite database of this test's own."""
    path = tmp_path / "signer.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_cluster: postgres.Cluster) -> str:
    """The URL of a migrated PostgreSQL database, emptied for this test."""
    return postgres_cluster.emptied("shared")


@pytest.fixture
def empty_postgres_url(postgres_cluster: postgres.Cluster) -> str:
    """The URL of a PostgreSQL database without any table."""
    return postgres_cluster.create_database(f"test_{next(_names)}")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The test runs on each kind of database."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still until the test moves it."""
    return ManualClock()


@pytest.fixture(scope="session")
def crowd() -> Iterator[Crowd]:
    """Two further processes."""
    with gathered() as processes:
        yield processes


@pytest.fixture
def open_database(database_url: str) -> Iterator[Opener]:
    """Opens this test's database, on each kind, as often as asked."""
    opener = Opener(database_url)
    yield opener
    opener.close()
