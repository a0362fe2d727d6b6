"""Many callers of a key store at once, on each kind of database."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from signer.domain.events import EventType
from signer.domain.keys import VersionState
from signer.storage.key_store import SqlKeyStore
from tests.support import rivals
from tests.support.clock import ManualClock
from tests.support.crowd import PROCESSES, Crowd
from tests.support.databases import Opener
from tests.support.postgres import Cluster
from tests.support.recorders import until
from tests.support.records import add_pinned, add_version, event, new_key, new_version, swap

THREADS = 6
PATIENCE = 60.0
KEYS = ("one", "two", "three", "four")


@pytest.fixture
def store(open_database: Opener, clock: ManualClock) -> SqlKeyStore:
    return SqlKeyStore(database=open_database(), clock=clock)


def event_types(store: SqlKeyStore) -> list[EventType]:
    return [item.event.type for item in store.events(after=0, limit=1000, key=None)]


class TestManyAtOnce:
    """Threads and processes; the database decides, whoever asks."""

    def test_one_of_many_gets_a_name(self, store: SqlKeyStore, database_url: str, crowd: Crowd) -> None:
        outcomes = crowd.everywhere(rivals.add_the_same_key, database_url, "firmware", THREADS)
        assert sum(outcomes, Counter()) == {rivals.DONE: 1, "key-name-taken": PROCESSES * THREADS - 1}
        assert len(store.key("firmware").versions) == 1
        assert len(event_types(store)) == 1

    def test_one_of_many_gets_a_freed_name(self, store: SqlKeyStore, database_url: str, crowd: Crowd) -> None:
        key = store.add_key(new_key(), new_version(), event())
        store.change(key, [swap(key.versions[0], VersionState.DESTROYED)], [])
        outcomes = crowd.everywhere(rivals.add_the_same_key, database_url, "firmware", THREADS)
        assert sum(outcomes, Counter()) == {rivals.DONE: 1, "key-name-taken": PROCESSES * THREADS - 1}
        assert len(store.key("firmware").versions) == 1

    def test_one_of_many_prepares_the_next_version(self, store: SqlKeyStore, database_url: str, crowd: Crowd) -> None:
        add_pinned(store)
        outcomes = sum(crowd.everywhere(rivals.add_the_next_version, database_url, "firmware", THREADS), Counter())
        assert outcomes == {rivals.DONE: 1, "next-version-exists": PROCESSES * THREADS - 1}
        assert [version.number for version in store.key("firmware").versions] == [1, 2]

    def test_one_of_many_moves_a_version_on(self, store: SqlKeyStore, database_url: str, crowd: Crowd) -> None:
        key = add_pinned(store)
        outcomes = crowd.everywhere(rivals.disable_the_active_version, database_url, key, THREADS)
        assert sum(outcomes, Counter()) == {rivals.DONE: 1, "state-changed": PROCESSES * THREADS - 1}
        assert event_types(store).count(EventType.VERSION_DISABLED) == 1

    def test_there_are_never_two_active_versions(self, store: SqlKeyStore, database_url: str, crowd: Crowd) -> None:
        key = add_pinned(store, state=VersionState.PREVIOUS)
        for _ in range(THREADS - 1):
            key = add_version(store, key, state=VersionState.PREVIOUS)
        outcomes = sum(crowd.everywhere(rivals.activate_and_step_back, database_url, "firmware", THREADS, 8), Counter())
        assert outcomes[rivals.BROKEN] == 0
        assert outcomes.keys() <= {rivals.DONE, "active-version-exists", "state-changed", "seen in use", "left"}
        assert outcomes["left"] == PROCESSES * THREADS
        assert event_types(store).count(EventType.KEY_ROTATED) == outcomes[rivals.DONE] > 0
        assert {version.state for version in store.key("firmware").versions} == {VersionState.PREVIOUS}

    def test_each_of_several_keys_gets_one_next_version(
        self, store: SqlKeyStore, database_url: str, crowd: Crowd
    ) -> None:
        for name in KEYS:
            add_pinned(store, name)
        outcomes = sum(crowd.everywhere(rivals.add_next_versions_of_several, database_url, KEYS, THREADS), Counter())
        attempts = PROCESSES * THREADS * len(KEYS)
        assert outcomes == {
            "left": PROCESSES * THREADS,
            rivals.DONE: len(KEYS),
            "next-version-exists": attempts - len(KEYS),
        }
        assert [[version.number for version in store.key(name).versions] for name in KEYS] == [[1, 2]] * len(KEYS)

    def test_several_keys_change_without_waiting_for_each_other_in_a_circle(
        self, store: SqlKeyStore, database_url: str, crowd: Crowd
    ) -> None:
        for name in KEYS:
            add_pinned(store, name, state=VersionState.PREVIOUS)
        outcomes = sum(crowd.everywhere(rivals.change_several, database_url, KEYS, THREADS, 4), Counter())
        assert outcomes[rivals.BROKEN] == 0
        assert outcomes.keys() <= {rivals.DONE, "state-changed", "seen in use", "left"}
        assert outcomes["left"] == PROCESSES * THREADS
        assert event_types(store).count(EventType.KEY_ROTATED) == outcomes[rivals.DONE] >= len(KEYS)
        assert {version.state for name in KEYS for version in store.key(name).versions} == {VersionState.PREVIOUS}

    def test_who_reads_on_misses_no_event(self, store: SqlKeyStore, database_url: str, crowd: Crowd) -> None:
        writing = crowd.begin(rivals.record_events, database_url, THREADS, 20)
        seen: list[int] = []
        written = False
        while not written:
            written = all(future.done() for future in writing)  # asked first: then one more look sees the last ones
            seen += [item.id for item in store.events(after=seen[-1] if seen else 0, limit=1000, key=None)]
        assert sum((future.result() for future in writing), Counter()) == {rivals.DONE: PROCESSES * THREADS}
        # The first leaf is the log's own.
        assert seen == list(range(2, PROCESSES * THREADS * 20 + 2))


class TestGivingWay:
    """PostgreSQL ends one of two transactions that wait for each other; ours is then taken once more."""

    @pytest.fixture
    def store(self, postgres_url: str, clock: ManualClock) -> Iterator[SqlKeyStore]:
        opener = Opener(postgres_url)
        # It waits for the test, which waits for others of this machine.
        yield SqlKeyStore(database=opener(timeout=PATIENCE), clock=clock)
        opener.close()

    def test_a_deadlock_with_a_stranger_costs_one_more_attempt(
        self, store: SqlKeyStore, postgres_cluster: Cluster
    ) -> None:
        key = add_version(store, add_pinned(store), state=VersionState.NEXT)
        one, two = key.versions
        key = store.change(key, [swap(one, VersionState.PREVIOUS), swap(two, VersionState.ACTIVE)], [])
        key = add_version(store, key, state=VersionState.NEXT)
        states = (VersionState.RETIRED, VersionState.PREVIOUS, VersionState.ACTIVE)
        changes = [swap(version, state) for version, state in zip(key.versions, states, strict=True)]
        first, gate, last = (version.id for version in key.versions)
        lock = "SELECT 1 FROM key_versions WHERE id = %s FOR UPDATE"
        connect = partial(postgres_cluster.connect, "shared")
        with connect() as keeper, connect() as stranger, stranger.transaction():
            # Each looks for a deadlock once, when it has waited for so long: ours is to be the one that finds it, and
            # begins to wait for the stranger when the stranger waits already.
            stranger.execute("SET LOCAL deadlock_timeout = '1h'")
            stranger.execute(lock, [last])
            with keeper.transaction():
                keeper.execute(lock, [gate])
                ours = threading.Thread(target=store.change, args=(key, changes, [event(EventType.KEY_ROTATED)]))
                ours.start()
                until(lambda: _waiting(postgres_cluster) == 1)
                theirs = threading.Thread(target=stranger.execute, args=(lock, [first]))
                theirs.start()
                until(lambda: _waiting(postgres_cluster) == 2)
            theirs.join(PATIENCE)
        ours.join(PATIENCE)
        assert [version.state for version in store.key("firmware").versions] == [*states]
        assert event_types(store).count(EventType.KEY_ROTATED) == 1


def _waiting(cluster: Cluster) -> int:
    """How many transactions wait for another one."""
    with cluster.connect("shared") as connection:
        query = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        found = connection.execute(query).fetchone()
    return found[0] if found else 0
