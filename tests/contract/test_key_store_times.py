"""Times on record, on each kind of database: they never go back but where a person said so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from signer.domain.events import EventType
from signer.domain.keys import Validity, VersionState
from signer.domain.timestamps import rfc3339
from signer.storage.key_store import SqlKeyStore
from tests.support.clock import ManualClock
from tests.support.databases import LOG_BEGAN, Opener
from tests.support.records import add_pinned, event, new_key, new_version, swap


@pytest.fixture
def store(open_database: Opener, clock: ManualClock) -> SqlKeyStore:
    return SqlKeyStore(database=open_database(), clock=clock)


class TestMoments:
    def test_it_is_the_beginning_of_the_log_at_first(self, store: SqlKeyStore) -> None:
        assert store.newest_timestamp() == LOG_BEGAN

    def test_the_newest_event_counts(self, store: SqlKeyStore, clock: ManualClock) -> None:
        store.record(event())
        newest = clock.advance(days=1)
        store.record(event())
        clock.advance(days=-30)
        store.record(event())
        assert store.newest_timestamp() == newest

    def test_the_newest_signature_counts(self, store: SqlKeyStore, clock: ManualClock) -> None:
        key = add_pinned(store)
        later = clock.now + timedelta(days=3, microseconds=1)
        store.change(key, [swap(key.versions[0], VersionState.ACTIVE, last_signed_at=later)], [])
        assert store.newest_timestamp() == later

    def test_times_of_events_never_go_back(self, store: SqlKeyStore, clock: ManualClock) -> None:
        store.record(event())
        said = clock.advance(days=-1)
        store.record(replace(event(), after={"reason": "urgent"}))
        first, second = store.events(after=0, limit=2, key=None)
        assert second.at == first.at
        assert second.event.after == {"reason": "urgent", "clock": rfc3339(said)}

    def test_moments_are_utc_whatever_zone_they_came_in(self, store: SqlKeyStore) -> None:
        tokyo = timezone(timedelta(hours=9))
        moment = datetime(2031, 1, 1, 3, 0, 0, 123456, tzinfo=tokyo)
        key = store.add_key(new_key(), new_version(validity=Validity(not_after=moment)), event())
        kept = key.versions[0].validity.not_after
        assert kept == moment
        assert kept.tzinfo is UTC

    def test_a_moment_without_a_zone_is_refused(self, store: SqlKeyStore) -> None:
        naive = Validity(not_after=datetime(2031, 1, 1))  # noqa: DTZ001  (what is refused here)
        with pytest.raises(Exception, match="without zone"):
            store.add_key(new_key(), new_version(validity=naive), event())
        assert store.all_keys() == ()


class TestCorrection:
    """A record that is ahead goes on from the present time, and says so."""

    def test_a_record_that_is_not_ahead_is_left_alone(self, store: SqlKeyStore) -> None:
        assert store.correct_clock(actor="a", reason="r") is None
        add_pinned(store)
        before = store.events(after=0, limit=100, key=None)
        assert store.correct_clock(actor="a", reason="r") is None
        assert store.events(after=0, limit=100, key=None) == before

    def test_it_goes_on_from_now_and_tells_what_it_was(self, store: SqlKeyStore, clock: ManualClock) -> None:
        key, other = add_pinned(store), add_pinned(store, "other")
        wrong, right = clock.now + timedelta(days=300), clock.now
        signed = [swap(key.versions[0], VersionState.ACTIVE, last_signed_at=wrong)]
        store.change(key, signed, [])
        store.change(other, [swap(other.versions[0], VersionState.ACTIVE, last_signed_at=right)], [])
        clock.now = wrong
        store.record(event())
        clock.now = right + timedelta(seconds=1)
        assert store.correct_clock(actor="artifact-signer doctor", reason="looked") == wrong
        *_, corrected = store.events(after=0, limit=100, key=None)
        assert (corrected.at, corrected.event.type) == (clock.now, EventType.CLOCK_CORRECTED)
        assert corrected.event.before == {"newest": rfc3339(wrong), "signed": {"firmware/1": rfc3339(wrong)}}
        assert corrected.event.after == {"newest": rfc3339(clock.now), "reason": "looked"}
        assert store.newest_timestamp() == clock.now
        assert [item.versions[0].last_signed_at for item in store.all_keys()] == [clock.now, right]
        later = clock.advance(seconds=1)
        store.record(event())
        assert store.newest_timestamp() == later

    def test_nothing_that_is_on_record_changes(self, store: SqlKeyStore, clock: ManualClock) -> None:
        clock.advance(days=300)
        store.record(event())
        before = store.events(after=0, limit=100, key=None)
        clock.advance(days=-300)
        store.correct_clock(actor="a", reason="r")
        assert store.events(after=0, limit=len(before), key=None) == before
