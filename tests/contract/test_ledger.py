"""What every signature ledger promises, on each kind of database."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from signer.domain.keys import Validity, VersionState
from signer.errors import DatabaseUnavailable
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.signature_ledger import SqlSignatureLedger
from tests.support import rivals
from tests.support.clock import START, ManualClock
from tests.support.crowd import PROCESSES, Crowd
from tests.support.databases import Opener
from tests.support.records import add_pinned, add_version, swap

from .ledgers import PATIENCE, active_id, count, ledger_on, until

THREADS = 16
DAY = timedelta(days=1)


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> SqlKeyStore:
    return SqlKeyStore(database=database, clock=clock)


@pytest.fixture
def ledger(database: Database, clock: ManualClock) -> SqlSignatureLedger:
    return ledger_on(database, clock)


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

    def test_several_keys_do_not_wait_for_each_other_in_a_circle(
        self, store: SqlKeyStore, database_url: str, crowd: Crowd
    ) -> None:
        names, rounds = [f"key-{number}" for number in range(6)], 10
        version_ids = tuple(active_id(store, name) for name in names)
        outcomes = crowd.everywhere(rivals.reserve_of_several, database_url, version_ids, THREADS, rounds)
        assert sum(outcomes, Counter()) == {"granted": PROCESSES * THREADS * rounds * len(names)}
        assert {count(store, name) for name in names} == {PROCESSES * THREADS * rounds}


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
            until(lambda: len(commits) == 1)
            others = [pool.submit(ledger.reserve, (first, second)[n % 2], timeout=PATIENCE) for n in range(THREADS)]
            until(lambda: len(ledger._waiting) == THREADS)
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
            until(lambda: len(commits) == 1)
            others = [pool.submit(ledger.reserve, limited, timeout=PATIENCE) for _ in range(THREADS)]
            until(lambda: len(ledger._waiting) == THREADS)
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
            until(lambda: len(commits) == 1)
            others = [pool.submit(ledger.reserve, version_id, timeout=PATIENCE) for _ in range(THREADS)]
            until(lambda: len(ledger._waiting) == THREADS)
            failing.set()
            go_on.set()
            assert leader.result()
            errors = Counter(type(other.exception(PATIENCE)) for other in others)
        assert errors == {RuntimeError: 1, DatabaseUnavailable: THREADS - 1}
        assert count(store) == 1
        failing.clear()
        assert ledger.reserve(version_id, timeout=PATIENCE)


def test_a_version_may_sign_again_after_a_rotation_and_no_longer_before(
    store: SqlKeyStore, ledger: SqlSignatureLedger
) -> None:
    key = add_version(store, add_pinned(store))
    old, new = key.versions
    assert [ledger.reserve(item.id, timeout=PATIENCE) for item in (old, new)] == [True, False]
    store.change(key, [swap(old, VersionState.PREVIOUS), swap(new, VersionState.ACTIVE)], [])
    assert [ledger.reserve(item.id, timeout=PATIENCE) for item in (old, new)] == [False, True]
