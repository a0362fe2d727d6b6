"""The recorder as a process: kept running, alone on its installation, and there until nobody needs it any more."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from signer.domain.records import Recorded
from signer.errors import DatabaseUnavailable, InstallationInUse
from signer.recorder.addresses import connected, socket_path
from signer.recorder.client import RecorderClient
from signer.recorder.protocol import FrameReader, Ping, frame, parsed_answers
from signer.recorder.setup import BATCH_SECONDS, DATABASE_SECONDS, PATIENCE_SECONDS
from signer.recorder.supervision import RecorderSupervisor
from signer.storage.database import SHORTEST_CONNECT_SECONDS
from tests.support.books import SqlBook, entry
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.postgres import Cluster
from tests.support.recorders import WAIT_SECONDS, settings_of, setup_line, supervised, until
from tests.support.rows import slow_but

# The recorder has the real clock.
PAST = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def book(open_database: Opener) -> SqlBook:
    return SqlBook(open_database(), ManualClock(PAST))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def recorder(directory: Path, book: SqlBook, database_url: str) -> Iterator[RecorderSupervisor]:
    with supervised(directory, database_url) as supervisor:
        yield supervisor


def soon(seconds: float = WAIT_SECONDS) -> float:
    return time.monotonic() + seconds


def asking(directory: Path, scene: Callable[[RecorderClient], Awaitable[Any]]) -> Any:
    """Play a scene with a client in a loop of its own."""

    async def play() -> Any:
        client = RecorderClient(socket_path(directory))
        try:
            return await scene(client)
        finally:
            client.close()
            await asyncio.sleep(0)

    return asyncio.run(play())


def record(directory: Path, *entries: Any, deadline: float | None = None) -> list[Any]:
    async def scene(client: RecorderClient) -> list[Any]:
        return list(await client.record_many(entries, deadline=deadline or soon()))

    result: list[Any] = asking(directory, scene)
    return result


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


class TestAtWork:
    def test_it_records(self, recorder: RecorderSupervisor, directory: Path, book: SqlBook) -> None:
        version = book.version()
        sent = entry(version, access_revision=book.revision())
        (outcome,) = record(directory, sent)
        assert isinstance(outcome, Recorded)
        assert [each.record_id for each in book.written()] == [sent.record_id]

    @pytest.mark.slow
    def test_its_folder_is_its_user_s_alone(self, recorder: RecorderSupervisor, directory: Path) -> None:
        assert socket_path(directory).parent.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("name", slow_but(set(), ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")))
    def test_signals_that_end_services_do_not_end_it(
        self, recorder: RecorderSupervisor, directory: Path, book: SqlBook, name: str
    ) -> None:
        version = book.version()
        record(directory, entry(version, "before", access_revision=book.revision()))
        pid = recorder.pid
        assert pid is not None
        os.kill(pid, getattr(signal, name))
        assert isinstance(record(directory, entry(version, "after", access_revision=book.revision()))[0], Recorded)
        assert recorder.pid == pid

    @pytest.mark.slow
    def test_it_sees_no_variable_that_is_hidden(
        self, directory: Path, book: SqlBook, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOKEN_PIN", "4711-secret")
        setup = setup_line(directory, database_url)
        supervisor = RecorderSupervisor(directory=directory, setup=setup, hidden=["TOKEN_PIN"])
        supervisor.start()
        try:
            environment = Path(f"/proc/{supervisor.pid}/environ")
            until(lambda: b"PATH=" in environment.read_bytes())
            assert b"4711-secret" not in environment.read_bytes()
        finally:
            process = supervisor._process
            supervisor.close()
            assert process is not None
            process.wait(WAIT_SECONDS)


class TestReplaced:
    def test_one_that_is_killed_is_replaced_and_what_was_sent_meanwhile_is_recorded(
        self, recorder: RecorderSupervisor, directory: Path, book: SqlBook
    ) -> None:
        version = book.version()
        record(directory, entry(version, "before", access_revision=book.revision()))

        async def scene(client: RecorderClient) -> None:
            for turn in range(3):
                pid = recorder.pid
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)
                sent = entry(version, turn, access_revision=book.revision())
                (outcome,) = await client.record_many([sent], deadline=soon())
                assert isinstance(outcome, Recorded)

        asking(directory, scene)
        assert len(book.written()) == 4

    @pytest.mark.slow
    def test_one_that_hangs_is_killed_and_replaced(
        self, recorder: RecorderSupervisor, directory: Path, book: SqlBook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        version = book.version()
        record(directory, entry(version, "before", access_revision=book.revision()))
        pid = recorder.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        sent = entry(version, "after", access_revision=book.revision())
        assert isinstance(record(directory, sent, deadline=soon(60))[0], Recorded)
        assert gone(pid)
        assert recorder.pid != pid
        assert len(book.written()) == 2

    @pytest.mark.slow
    def test_one_that_cannot_run_is_started_with_growing_delays(
        self, directory: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        now = [0.0]
        supervisor = RecorderSupervisor(directory=directory, setup=b"nonsense\n", monotonic=lambda: now[0])
        supervisor.start()
        delays = []
        for _ in range(9):
            process = supervisor._process
            assert process is not None
            process.wait(WAIT_SECONDS)
            supervisor.look()
            delays.append(supervisor._due - now[0])
            supervisor.look()
            assert supervisor.pid is None
            now[0] = supervisor._due
            supervisor.look()
        last = supervisor._process
        assert last is not None
        supervisor.close()
        last.wait(WAIT_SECONDS)
        assert delays == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])


class TestASlowDatabase:
    """It is told to those who wait, longer than a ping may wait, and the recorder is the same afterwards."""

    @staticmethod
    def _while_it_takes_nothing(
        recorder: RecorderSupervisor, directory: Path, book: SqlBook, stopped: AbstractContextManager[object]
    ) -> None:
        version, revision = book.version(), book.revision()
        assert isinstance(record(directory, entry(version, "before", access_revision=revision))[0], Recorded)
        pid = recorder.pid
        with stopped:
            begun = time.monotonic()
            while time.monotonic() - begun < 1.5 * PATIENCE_SECONDS:
                asked = time.monotonic()
                (answer,) = record(directory, entry(version, asked, access_revision=revision))
                assert isinstance(answer, DatabaseUnavailable)
                assert time.monotonic() - asked < PATIENCE_SECONDS
        assert isinstance(record(directory, entry(version, "after", access_revision=revision))[0], Recorded)
        assert recorder.pid == pid

    @pytest.mark.slow
    def test_whose_lock_another_holds(self, recorder: RecorderSupervisor, directory: Path, book: SqlBook) -> None:
        @contextmanager
        def locked() -> Iterator[None]:
            with book.database.writing() as connection:
                connection.execute(text("UPDATE key_versions SET state = state"))
                yield

        self._while_it_takes_nothing(recorder, directory, book, locked())

    @pytest.mark.slow
    def test_that_stands_still(self, directory: Path, postgres_cluster: Cluster, postgres_url: str) -> None:
        opener = Opener(postgres_url)
        with supervised(directory, postgres_url) as recorder:
            book = SqlBook(opener(), ManualClock(PAST))
            self._while_it_takes_nothing(recorder, directory, book, postgres_cluster.frozen())
        opener.close()

    def test_all_waits_are_over_before_the_ping_has_waited_for_too_long(self) -> None:
        assert BATCH_SECONDS + SHORTEST_CONNECT_SECONDS < PATIENCE_SECONDS
        assert DATABASE_SECONDS <= BATCH_SECONDS


class TestTheEnd:
    @pytest.fixture
    def supervisor(self, directory: Path, book: SqlBook, database_url: str) -> RecorderSupervisor:
        made = RecorderSupervisor(directory=directory, setup=setup_line(directory, database_url))
        made.start()
        return made

    @staticmethod
    def _ping(connection: Any, number: int) -> None:
        connection.setblocking(True)
        connection.settimeout(WAIT_SECONDS)
        connection.send(frame({"ping": number}))
        reader = FrameReader()
        assert Ping(number) in [parsed_answers(body) for body in reader.feed(connection.recv(1 << 12))]

    def test_it_outlives_the_service_until_the_last_worker_is_gone(
        self, supervisor: RecorderSupervisor, directory: Path
    ) -> None:
        worker = connected(socket_path(directory))
        self._ping(worker, 1)
        process = supervisor._process
        assert process is not None
        supervisor.close()
        self._ping(worker, 2)
        assert process.poll() is None
        worker.close()
        assert process.wait(WAIT_SECONDS) == 0

    @pytest.mark.slow
    def test_without_workers_it_ends_with_the_service(self, supervisor: RecorderSupervisor, directory: Path) -> None:
        process = supervisor._process
        assert process is not None
        supervisor.close()
        assert process.wait(WAIT_SECONDS) == 0


class TestOneForAnInstallation:
    def test_a_second_service_is_refused_by_name_and_disturbs_nothing(
        self, recorder: RecorderSupervisor, directory: Path, database_url: str, book: SqlBook
    ) -> None:
        second = RecorderSupervisor(directory=directory, setup=setup_line(directory, database_url))
        with pytest.raises(InstallationInUse) as refused:
            second.start(wait=0.2)
        assert refused.value.lock == str(directory / "recorder" / "lock")
        version = book.version()
        sent = entry(version, access_revision=book.revision())
        assert isinstance(record(directory, sent)[0], Recorded)

    @pytest.mark.slow
    def test_a_recorder_that_outlives_its_service_keeps_the_installation(
        self, directory: Path, database_url: str, book: SqlBook
    ) -> None:
        first = RecorderSupervisor(directory=directory, setup=setup_line(directory, database_url))
        first.start()
        worker = connected(socket_path(directory))
        TestTheEnd._ping(worker, 1)
        process = first._process
        assert process is not None
        first.close()
        second = RecorderSupervisor(directory=directory, setup=setup_line(directory, database_url))
        with pytest.raises(InstallationInUse):
            second.start(wait=0.2)
        worker.close()
        process.wait(WAIT_SECONDS)
        second.start()
        second_process = second._process
        second.close()
        assert second_process is not None
        second_process.wait(WAIT_SECONDS)


class TestTheWriteAheadLog:
    """Nobody else copies it back, and it stays bounded all the same."""

    @pytest.fixture
    def log(self, sqlite_url: str) -> Path:
        return Path(sqlite_url.removeprefix("sqlite:///") + "-wal")

    @pytest.fixture
    def sqlite_book(self, sqlite_url: str) -> Iterator[SqlBook]:
        opener = Opener(sqlite_url)
        yield SqlBook(opener(), ManualClock(PAST))
        opener.close()

    @pytest.mark.slow
    def test_it_is_emptied_when_nobody_is_waiting(
        self, directory: Path, sqlite_url: str, sqlite_book: SqlBook, log: Path
    ) -> None:
        sqlite_book.version()
        assert log.stat().st_size > 0
        with supervised(directory, sqlite_url):
            until(lambda: log.stat().st_size == 0)

    @pytest.mark.slow
    def test_it_stays_bounded_under_load(
        self, directory: Path, sqlite_url: str, sqlite_book: SqlBook, log: Path
    ) -> None:
        settings_of(directory, sqlite_url)
        version, revision = sqlite_book.version(), sqlite_book.revision()
        seen = {"devices": ["d" * 2000]}

        async def scene(client: RecorderClient) -> int:
            largest = 0
            for turn in range(40):
                batch = [
                    entry(version, f"{turn} {number}", access_revision=revision, seen=seen) for number in range(250)
                ]
                assert {type(each) for each in await client.record_many(batch, deadline=soon())} == {Recorded}
                largest = max(largest, log.stat().st_size)
            return largest

        with supervised(directory, sqlite_url):
            assert asking(directory, scene) < 48 << 20
        assert len(sqlite_book.written()) == 40 * 250
        assert Path(sqlite_url.removeprefix("sqlite:///")).stat().st_size > 16 << 20
