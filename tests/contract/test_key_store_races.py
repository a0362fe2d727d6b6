"""Many callers of a key store at once, on each kind of database."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

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
        yield SqlKeyStore(database=opener(), clock=clock)
        opener.close()

    def test_a_deadlock_with_a_stranger_costs_one_more_attempt(
        self, store: SqlKeyStore, postgres_cluster: Cluster
    ) -> None:
        key = add_version(store, add_pinned(store), state=VersionState.NEXT)
        first, second = (version.id for version in key.versions)
        changes = [swap(key.versions[0], VersionState.PREVIOUS), swap(key.versions[1], VersionState.ACTIVE)]
        lock = "UPDATE key_versions SET state = state WHERE id = %s"
        with postgres_cluster.connect("shared") as stranger, stranger.transaction():
            # The one whose patience ends first is the one that gives way.
            stranger.execute("SET deadlock_timeout = '1min'")
            stranger.execute(lock, [second])
            ours = threading.Thread(target=store.change, args=(key, changes, [event(EventType.KEY_ROTATED)]))
            ours.start()
            until(lambda: _waiting(postgres_cluster))
            stranger.execute(lock, [first])
        ours.join(60)
        assert [version.state for version in store.key("firmware").versions] == [
            VersionState.PREVIOUS,
            VersionState.ACTIVE,
        ]
        assert event_types(store).count(EventType.KEY_ROTATED) == 1


def _waiting(cluster: Cluster) -> bool:
    """Whether a transaction waits for another one."""
    with cluster.connect("shared") as connection:
        return connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone() is not None
