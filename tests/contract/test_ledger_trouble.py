"""A ledger on a database in trouble: nobody waits for ever, and nothing is counted wrongly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from signer.errors import DatabaseUnavailable
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.signature_ledger import SqlSignatureLedger
from tests.support.clock import ManualClock
from tests.support.crowd import in_threads
from tests.support.databases import Opener
from tests.support.postgres import Cluster

from .ledgers import PATIENCE, active_id, count, ledger_on, until

THREADS = 16


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> SqlKeyStore:
    return SqlKeyStore(database=database, clock=clock)


@pytest.fixture
def ledger(database: Database, clock: ManualClock) -> SqlSignatureLedger:
    return ledger_on(database, clock)


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
                until(lambda: not ledger._waiting and ledger._turn.locked())
            assert waiting.result()

    def test_who_waits_for_a_turn_leaves_in_time_and_is_not_counted(
        self, store: SqlKeyStore, database: Database, ledger: SqlSignatureLedger, open_database: Opener
    ) -> None:
        version_id = active_id(store)
        with ThreadPoolExecutor(1) as pool:
            with self._locked(open_database(), version_id):
                leader = pool.submit(ledger.reserve, version_id, timeout=PATIENCE)
                until(lambda: not ledger._waiting and ledger._turn.locked())
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
