"""What every signature ledger promises, on each kind of database."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text

from signer.domain.keys import Validity, VersionState
from signer.errors import DatabaseUnavailable
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.signature_ledger import SqlSignatureLedger
from tests.support import rivals
from tests.support.clock import START, ManualClock
from tests.support.crowd import PROCESSES, Crowd, in_threads
from tests.support.databases import Opener
from tests.support.postgres import Cluster
from tests.support.records import add_pinned, add_version, swap

TOLERANCE = timedelta(seconds=5)
PATIENCE = 20.0
THREADS = 16
DAY = timedelta(days=1)


def ledger_on(database: Database, clock: Callable[[], datetime]) -> SqlSignatureLedger:
    return SqlSignatureLedger(database=database, clock=clock, clock_tolerance=TOLERANCE)


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> SqlKeyStore:
    return SqlKeyStore(database=database, clock=clock)


@pytest.fixture
def ledger(database: Database, clock: ManualClock) -> SqlSignatureLedger:
    return ledger_on(database, clock)


def active_id(store: SqlKeyStore, name: str = "firmware", **validity: object) -> int:
    """The id of the active version of a new key."""
    return add_pinned(store, name, validity=Validity(**validity)).versions[0].id  # type: ignore[arg-type]


def count(store: SqlKeyStore, name: str = "firmware") -> int:
    return store.key(name).versions[0].signature_count


class TestCounting:
    def test_a_reservation_is_counted_with_its_moment(
        self, store: SqlKeyStore, ledger: SqlSignatureLedger, clock: ManualClock
    ) -> None:
        version_id = active_id(store)
        moment = clock.advance(minutes=1)
        assert ledger.reserve(version_id, timeout=PATIENCE)
        version = store.key("firmware").versions[0]
        assert (version.signature_count, version.last_signed_at) == (1, moment)

    def test_another_connection_sees_it_when_the_call_returns(
        self, store: SqlKeyStore, ledger: SqlSignatureLedger, open_database: Opener
    ) -> None:
        version_id = active_id(store)
        ledger.reserve(version_id, timeout=PATIENCE)
        assert count(SqlKeyStore(database=open_database(), clock=ManualClock())) == 1

    def test_a_reservation_is_given_back(self, store: SqlKeyStore, ledger: SqlSignatureLedger) -> None:
        version_id = active_id(store, signature_limit=1)
        assert ledger.reserve(version_id, timeout=PATIENCE)
        assert not ledger.reserve(version_id, timeout=PATIENCE)
        ledger.release(version_id)
        assert count(store) == 0
        assert ledger.reserve(version_id, timeout=PATIENCE)

    def test_more_is_not_given_back_than_was_taken(self, store: SqlKeyStore, ledger: SqlSignatureLedger) -> None:
        version_id = active_id(store)
        ledger.release(version_id)
        assert count(store) == 0

    def test_a_reservation_is_given_back_also_when_the_version_stopped_meanwhile(
        self, store: SqlKeyStore, ledger: SqlSignatureLedger
    ) -> None:
        version_id = active_id(store)
        ledger.reserve(version_id, timeout=PATIENCE)
        key = store.key("firmware")
        store.change(key, [swap(key.versions[0], VersionState.QUARANTINED)], [])
        ledger.release(version_id)
        assert count(store) == 0

    def test_versions_are_counted_apart(self, store: SqlKeyStore, ledger: SqlSignatureLedger) -> None:
        first, second = active_id(store, "first"), active_id(store, "second")
        for version_id in (first, second, second):
            assert ledger.reserve(version_id, timeout=PATIENCE)
        assert (count(store, "first"), count(store, "second")) == (1, 2)


class TestRefusals:
    """A refusal counts nothing."""

    VALIDITIES = {  # noqa: RUF012  (a table)
        "a moment before not-before": ({"not_before": START + timedelta(microseconds=1)}, False),
        "at not-before": ({"not_before": START}, True),
        "long before not-before": ({"not_before": START + 400 * DAY}, False),
        "a moment after not-after": ({"not_after": START - timedelta(microseconds=1)}, False),
        "at not-after": ({"not_after": START}, True),
        "long after not-after": ({"not_after": START - 400 * DAY}, False),
        "between the two": ({"not_before": START - DAY, "not_after": START + DAY}, True),
        "a limit of one": ({"signature_limit": 1}, True),
        "a limit of nothing": ({"signature_limit": 0}, False),
    }

    @pytest.mark.parametrize("sentence", VALIDITIES)
    def test_validity(self, store: SqlKeyStore, ledger: SqlSignatureLedger, sentence: str) -> None:
        validity, granted = self.VALIDITIES[sentence]
        version_id = active_id(store, **validity)
        assert ledger.reserve(version_id, timeout=PATIENCE) is granted
        assert count(store) == int(granted)

    @pytest.mark.parametrize("state", sorted(set(VersionState) - {"active", "pending"}))
    def test_only_an_active_version_signs(self, store: SqlKeyStore, ledger: SqlSignatureLedger, state: str) -> None:
        version_id = add_pinned(store, state=VersionState(state)).versions[0].id
        assert not ledger.reserve(version_id, timeout=PATIENCE)
        assert count(store) == 0

    def test_a_version_that_does_not_exist(self, ledger: SqlSignatureLedger) -> None:
        assert not ledger.reserve(1 << 40, timeout=PATIENCE)
        ledger.release(1 << 40)

    def test_the_limit_is_reached_and_not_passed(self, store: SqlKeyStore, ledger: SqlSignatureLedger) -> None:
        version_id = active_id(store, signature_limit=3)
        assert [ledger.reserve(version_id, timeout=PATIENCE) for _ in range(5)] == [True, True, True, False, False]
        assert count(store) == 3

    CLOCKS = {  # noqa: RUF012  (a table)
        "the clock stands still": (0.0, True),
        "the clock steps back within the tolerance": (-5.0, True),
        "the clock steps back by more": (-5.000001, False),
        "the clock is a year behind": (-365 * 86400.0, False),
    }

    @pytest.mark.parametrize("sentence", CLOCKS)
    def test_the_clock_moved_back(
        self, store: SqlKeyStore, ledger: SqlSignatureLedger, clock: ManualClock, sentence: str
    ) -> None:
        seconds, granted = self.CLOCKS[sentence]
        version_id = active_id(store)
        newest = clock.advance(days=2)
        ledger.reserve(version_id, timeout=PATIENCE)
        clock.advance(seconds=seconds)
        assert ledger.reserve(version_id, timeout=PATIENCE) is granted
        version = store.key("firmware").versions[0]
        assert (version.signature_count, version.last_signed_at) == (1 + granted, newest)

    def test_many_small_steps_back_do_not_add_up(
        self, store: SqlKeyStore, ledger: SqlSignatureLedger, clock: ManualClock
    ) -> None:
        version_id = active_id(store)
        ledger.reserve(version_id, timeout=PATIENCE)
        granted = []
        for _ in range(4):
            clock.advance(seconds=-2)
            granted.append(ledger.reserve(version_id, timeout=PATIENCE))
        assert granted == [True, True, False, False]

    def test_a_moment_keeps_its_zone_when_summer_time_ends(self, store: SqlKeyStore, database: Database) -> None:
        # In Berlin both are 02:30 on the clock of the wall; the server of the tests is set to it.
        clock = ManualClock(datetime(2030, 10, 27, 1, 30, tzinfo=UTC))
        version_id, ledger = active_id(store), ledger_on(database, clock)
        for moment in (clock.now - timedelta(hours=1), clock.now):
            clock.now = moment
            assert ledger.reserve(version_id, timeout=PATIENCE)
            assert store.key("firmware").versions[0].last_signed_at == moment
        assert not ledger_on(database, ManualClock(clock.now - timedelta(hours=1))).reserve(
            version_id, timeout=PATIENCE
        )


class TestManyAtOnce:
    def test_no_limit_is_passed_by_threads_of_several_processes(
        self, store: SqlKeyStore, database_url: str, crowd: Crowd
    ) -> None:
        limit = PROCESSES * THREADS * 5
        validity = Validity(signature_limit=limit)
        version_id = add_pinned(store, validity=validity).versions[0].id
        counts = crowd.everywhere(rivals.reserve_signatures, database_url, version_id, THREADS, 10, 0)
        total = sum(counts, Counter())
        assert total == {"granted": limit, "refused": limit}
        assert count(store) == limit

    def test_the_count_is_exact_where_some_are_given_back(
        self, store: SqlKeyStore, database_url: str, crowd: Crowd
    ) -> None:
        limit = PROCESSES * THREADS * 3
        version_id = add_pinned(store, validity=Validity(signature_limit=limit)).versions[0].id
        counts = crowd.everywhere(rivals.reserve_signatures, database_url, version_id, THREADS, 8, 3)
        total = sum(counts, Counter())
        assert count(store) == total["granted"] - total["given back"] <= limit
        assert total["given back"] > 0
        assert total["granted"] + total["refused"] == PROCESSES * THREADS * 8

    def test_the_count_is_exact_without_a_limit(self, store: SqlKeyStore, database_url: str, crowd: Crowd) -> None:
        version_id = active_id(store)
        crowd.everywhere(rivals.reserve_signatures, database_url, version_id, THREADS, 5, 0)
        assert count(store) == PROCESSES * THREADS * 5


class TestGroupCommit:
    """Who comes while a commit is under way shares the next one."""

    @staticmethod
    @contextmanager
    def _commits(database: Database, *, held: threading.Event | None = None) -> Iterator[list[int]]:
        """Counts commits; the first one waits for ``held``."""
        commits: list[int] = []

        def committed(_connection: object) -> None:
            commits.append(1)
            if held is not None and len(commits) == 1:
                assert held.wait(PATIENCE)

        engine = database._engine
        event.listen(engine, "commit", committed)
        try:
            yield commits
        finally:
            event.remove(engine, "commit", committed)

    def test_many_reservations_take_two_commits(
        self, store: SqlKeyStore, database: Database, ledger: SqlSignatureLedger
    ) -> None:
        first, second = active_id(store, "first"), active_id(store, "second")
        go_on = threading.Event()
        with self._commits(database, held=go_on) as commits, ThreadPoolExecutor(1 + THREADS) as pool:
            leader = pool.submit(ledger.reserve, first, timeout=PATIENCE)
            _until(lambda: len(commits) == 1)
            others = [pool.submit(ledger.reserve, (first, second)[n % 2], timeout=PATIENCE) for n in range(THREADS)]
            _until(lambda: len(ledger._waiting) == THREADS)
            go_on.set()
            assert leader.result()
            assert all(other.result() for other in others)
        assert len(commits) == 2
        assert (count(store, "first"), count(store, "second")) == (1 + THREADS // 2, THREADS // 2)

    def test_a_shared_commit_grants_as_many_as_fit(
        self, store: SqlKeyStore, database: Database, ledger: SqlSignatureLedger
    ) -> None:
        limited, other = active_id(store, "limited", signature_limit=5), active_id(store, "other")
        go_on = threading.Event()
        with self._commits(database, held=go_on) as commits, ThreadPoolExecutor(1 + THREADS) as pool:
            leader = pool.submit(ledger.reserve, other, timeout=PATIENCE)
            _until(lambda: len(commits) == 1)
            others = [pool.submit(ledger.reserve, limited, timeout=PATIENCE) for _ in range(THREADS)]
            _until(lambda: len(ledger._waiting) == THREADS)
            go_on.set()
            leader.result()
            assert Counter(other.result() for other in others) == {True: 5, False: THREADS - 5}
        assert len(commits) == 2
        assert count(store, "limited") == 5

    def test_an_error_that_nobody_foresaw_reaches_one_and_leaves_nobody_waiting(
        self, store: SqlKeyStore, database: Database
    ) -> None:
        version_id = active_id(store)
        go_on, failing = threading.Event(), threading.Event()

        def clock() -> datetime:
            if failing.is_set():
                raise RuntimeError("the clock is broken")
            return START

        ledger = ledger_on(database, clock)
        with self._commits(database, held=go_on) as commits, ThreadPoolExecutor(1 + THREADS) as pool:
            leader = pool.submit(ledger.reserve, version_id, timeout=PATIENCE)
            _until(lambda: len(commits) == 1)
            others = [pool.submit(ledger.reserve, version_id, timeout=PATIENCE) for _ in range(THREADS)]
            _until(lambda: len(ledger._waiting) == THREADS)
            failing.set()
            go_on.set()
            assert leader.result()
            errors = Counter(type(other.exception(PATIENCE)) for other in others)
        assert errors == {RuntimeError: 1, DatabaseUnavailable: THREADS - 1}
        assert count(store) == 1
        failing.clear()
        assert ledger.reserve(version_id, timeout=PATIENCE)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class TestDatabaseTrouble:
    """Nobody waits longer than was agreed, and the service goes on when the database does."""

    SHORT = 0.3
    # A wait for the turn and a commit of one's own, and some air for a busy machine.
    LONGEST = 2 * SHORT + 5.0

    @staticmethod
    def _all_refused(ledger: SqlSignatureLedger, version_id: int, timeout: float) -> float:
        """Many callers, each refused; returns how long the slowest waited."""

        def attempt(_: int) -> float:
            started = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                ledger.reserve(version_id, timeout=timeout)
            return time.monotonic() - started

        return max(in_threads(THREADS, attempt))

    @staticmethod
    @contextmanager
    def _locked(database: Database, version_id: int) -> Iterator[None]:
        """Another transaction holds the version."""
        with database.writing() as connection:
            connection.execute(text("UPDATE key_versions SET state = state WHERE id = :id"), {"id": version_id})
            yield

    def test_a_lock_of_another_is_waited_for_no_longer_than_agreed(
        self, store: SqlKeyStore, open_database: Opener, clock: ManualClock
    ) -> None:
        version_id = active_id(store)
        ledger = ledger_on(open_database(timeout=self.SHORT), clock)
        with self._locked(open_database(), version_id):
            assert self._all_refused(ledger, version_id, self.SHORT) < self.LONGEST
        assert ledger.reserve(version_id, timeout=PATIENCE)
        assert count(store) == 1

    def test_a_lock_that_is_let_go_in_time_is_no_trouble(
        self, store: SqlKeyStore, open_database: Opener, ledger: SqlSignatureLedger
    ) -> None:
        version_id = active_id(store)
        with ThreadPoolExecutor(1) as pool:
            with self._locked(open_database(), version_id):
                waiting = pool.submit(ledger.reserve, version_id, timeout=PATIENCE)
                _until(lambda: not ledger._waiting and ledger._turn.locked())
            assert waiting.result()

    def test_who_waits_for_a_turn_leaves_in_time_and_is_not_counted(
        self, store: SqlKeyStore, database: Database, ledger: SqlSignatureLedger, open_database: Opener
    ) -> None:
        version_id = active_id(store)
        with ThreadPoolExecutor(1) as pool:
            with self._locked(open_database(), version_id):
                leader = pool.submit(ledger.reserve, version_id, timeout=PATIENCE)
                _until(lambda: not ledger._waiting and ledger._turn.locked())
                assert self._all_refused(ledger, version_id, 0.05) < self.LONGEST
            assert leader.result()
        assert ledger.reserve(version_id, timeout=PATIENCE)
        assert count(store) == 2


@pytest.fixture
def postgres_store(postgres_url: str, clock: ManualClock) -> Iterator[SqlKeyStore]:
    opener = Opener(postgres_url)
    yield SqlKeyStore(database=opener(), clock=clock)
    opener.close()


class TestServerTrouble:
    """A database server can go away, and it can stand still."""

    TIMEOUT = 0.5
    # libpq waits at least two seconds for a connection.
    LONGEST = 2 * TIMEOUT + 2.0 + 5.0

    @pytest.fixture
    def ledger(self, postgres_url: str, clock: ManualClock) -> Iterator[SqlSignatureLedger]:
        opener = Opener(postgres_url)
        yield ledger_on(opener(timeout=self.TIMEOUT), clock)
        opener.close()

    def test_connections_that_were_ended_are_replaced(
        self, postgres_store: SqlKeyStore, ledger: SqlSignatureLedger, postgres_cluster: Cluster
    ) -> None:
        version_id = active_id(postgres_store)
        assert ledger.reserve(version_id, timeout=PATIENCE)
        with postgres_cluster.connect("postgres") as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shared'")
        assert ledger.reserve(version_id, timeout=PATIENCE)
        assert count(postgres_store) == 2

    def test_a_server_that_stands_still_is_given_up_in_time(
        self, postgres_store: SqlKeyStore, ledger: SqlSignatureLedger, postgres_cluster: Cluster
    ) -> None:
        version_id = active_id(postgres_store)
        assert ledger.reserve(version_id, timeout=PATIENCE)
        with postgres_cluster.frozen():
            longest = TestDatabaseTrouble._all_refused(ledger, version_id, self.TIMEOUT)
        assert longest < self.LONGEST
        assert ledger.reserve(version_id, timeout=PATIENCE)
        assert count(postgres_store) >= 2

    def test_no_server_at_all(self, clock: ManualClock) -> None:
        opener = Opener("postgresql+psycopg://signer@/shared?host=/nonexistent")
        ledger = ledger_on(opener(timeout=self.TIMEOUT), clock)
        assert TestDatabaseTrouble._all_refused(ledger, 1, self.TIMEOUT) < self.LONGEST
        opener.close()


def test_a_version_may_sign_again_after_a_rotation_and_no_longer_before(
    store: SqlKeyStore, ledger: SqlSignatureLedger
) -> None:
    key = add_version(store, add_pinned(store))
    old, new = key.versions
    assert [ledger.reserve(item.id, timeout=PATIENCE) for item in (old, new)] == [True, False]
    store.change(key, [swap(old, VersionState.PREVIOUS), swap(new, VersionState.ACTIVE)], [])
    assert [ledger.reserve(item.id, timeout=PATIENCE) for item in (old, new)] == [False, True]
