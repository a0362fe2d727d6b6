"""What every key store promises, on each kind of database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum

import pytest

from hsm.algorithms import Algorithm
from signer.domain.events import Event, EventType
from signer.domain.identity import Role
from signer.domain.keys import Key, Origin, Purpose, Validity, VersionState
from signer.errors import (
    ActiveVersionExists,
    CertificateNotFound,
    KeyNameTaken,
    KeyNotFound,
    NextVersionExists,
    PairInUse,
    SignerError,
    StateChanged,
    VersionNotFound,
)
from signer.services.ports import Certificate, VersionChange
from signer.storage import tables
from signer.storage.key_store import SqlKeyStore
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener
from tests.support.records import add_pinned, add_version, event, new_key, new_version, pin_fields, swap


@pytest.fixture
def store(open_database: Opener, clock: ManualClock) -> SqlKeyStore:
    return SqlKeyStore(database=open_database(), clock=clock)


def event_types(store: SqlKeyStore) -> list[EventType]:
    return [item.event.type for item in store.events(after=0, limit=1000, key=None)]


class TestKeys:
    def test_what_was_recorded_is_read_back(self, store: SqlKeyStore, clock: ManualClock) -> None:
        validity = Validity(
            not_before=START - timedelta(days=1), not_after=START + timedelta(days=400), signature_limit=1 << 40
        )
        asked, version = new_key(purpose=Purpose.LOG), new_version(validity=validity)
        store.add_key(asked, version, event())
        key = store.key("firmware")
        first = key.version(1)
        assert (key.name, key.purpose, key.algorithm, key.tokens) == (
            "firmware",
            Purpose.LOG,
            Algorithm.ECDSA_P256,
            ("one",),
        )
        assert (key.created_at, key.created_by) == (clock.now, "api-token:tester")
        assert (first.state, first.origin, first.cka_id) == (VersionState.PENDING, Origin.GENERATED, version.cka_id)
        assert (first.spki, first.fingerprint, first.disabled_from) == (None, None, None)
        assert (first.signature_count, first.last_signed_at, first.created_at) == (0, None, clock.now)
        assert first.validity == validity
        assert store.all_keys() == (key,)

    def test_another_connection_reads_the_same(self, store: SqlKeyStore, open_database: Opener) -> None:
        key = add_pinned(store)
        assert SqlKeyStore(database=open_database(), clock=ManualClock()).key("firmware") == key

    def test_keys_come_by_name_with_their_versions_by_number(self, store: SqlKeyStore) -> None:
        for name in ("b", "a.1", "c", "a"):
            add_version(store, add_pinned(store, name))
        assert [key.name for key in store.all_keys()] == ["a", "a.1", "b", "c"]
        assert {tuple(version.number for version in key.versions) for key in store.all_keys()} == {(1, 2)}

    @pytest.mark.parametrize(
        "name",
        ["firmware", "", "Firmware", "' OR 1=1 --", "firmware%", "x" * 5000, "a\x00b", "\x00", "\udcff", "a" * 5000],
    )
    def test_a_name_that_is_not_there_is_not_found(self, store: SqlKeyStore, name: str) -> None:
        add_pinned(store, "firmware2")
        with pytest.raises(KeyNotFound) as refusal:
            store.key(name)
        assert refusal.value.key == name

    def test_a_name_is_used_once(self, store: SqlKeyStore) -> None:
        key = add_pinned(store)
        with pytest.raises(KeyNameTaken):
            store.add_key(new_key(), new_version(), event())
        assert store.all_keys() == (key,)
        assert event_types(store) == [EventType.CREATION_STARTED, EventType.KEY_CREATED]

    @pytest.mark.parametrize("state", [VersionState.DESTROYED, VersionState.RETIRED, VersionState.DISABLED])
    def test_a_name_stays_used_after_its_only_version_signed(self, store: SqlKeyStore, state: VersionState) -> None:
        key = add_pinned(store)
        store.change(key, [swap(key.versions[0], state)], [])
        with pytest.raises(KeyNameTaken):
            store.add_key(new_key(), new_version(), event())

    def test_a_pending_key_keeps_its_name(self, store: SqlKeyStore) -> None:
        store.add_key(new_key(), new_version(), event())
        with pytest.raises(KeyNameTaken):
            store.add_key(new_key(), new_version(), event())


class TestUnbornKeys:
    """A key whose pair was never made leaves its name, but nothing that could be taken for its successor."""

    @staticmethod
    def _abandoned(store: SqlKeyStore) -> Key:
        key = store.add_key(new_key(), new_version(), event())
        return store.change(key, [swap(key.versions[0], VersionState.DESTROYED)], [event(EventType.CREATION_ABANDONED)])

    def test_its_name_is_free_again(self, store: SqlKeyStore) -> None:
        self._abandoned(store)
        key = store.add_key(new_key(purpose=Purpose.LOG), new_version(), event())
        assert key.purpose is Purpose.LOG
        assert [version.number for version in key.versions] == [1]

    def test_its_events_stay(self, store: SqlKeyStore) -> None:
        self._abandoned(store)
        add_pinned(store)
        assert event_types(store) == [
            EventType.CREATION_STARTED,
            EventType.CREATION_ABANDONED,
            EventType.CREATION_STARTED,
            EventType.KEY_CREATED,
        ]

    def test_its_identifiers_are_not_given_to_the_next_key(self, store: SqlKeyStore) -> None:
        gone = self._abandoned(store)
        key = store.add_key(new_key(), new_version(), event())
        assert key.id != gone.id
        assert key.versions[0].id != gone.versions[0].id

    def test_a_late_change_of_it_does_not_reach_the_next_key(self, store: SqlKeyStore) -> None:
        late = store.add_key(new_key(), new_version(), event())
        store.change(late, [swap(late.versions[0], VersionState.DESTROYED)], [])
        key = store.add_key(new_key(), new_version(), event())
        with pytest.raises(StateChanged):
            store.change(late, [swap(late.versions[0], VersionState.ACTIVE, **pin_fields())], [event()])
        assert store.key("firmware") == key


class TestVersions:
    def test_a_next_version_is_pending_and_numbered_on(self, store: SqlKeyStore) -> None:
        key = store.add_version(add_pinned(store), new_version(), event(version=None))
        assert [(version.number, version.state) for version in key.versions] == [
            (1, VersionState.ACTIVE),
            (2, VersionState.PENDING),
        ]
        assert store.events(after=0, limit=10, key=None)[-1].event.version == 2

    @pytest.mark.parametrize("waiting", [VersionState.PENDING, VersionState.NEXT])
    def test_there_is_one_next_version(self, store: SqlKeyStore, waiting: VersionState) -> None:
        key = store.add_version(add_pinned(store), new_version(), event())
        if waiting is VersionState.NEXT:
            key = store.change(key, [swap(key.versions[1], VersionState.NEXT, **pin_fields())], [])
        with pytest.raises(NextVersionExists) as refusal:
            store.add_version(key, new_version(), event())
        assert refusal.value.facts == {"key": "firmware", "version": 2, "state": waiting.value}
        assert len(store.key("firmware").versions) == 2

    def test_a_version_number_that_was_taken_meanwhile_is_refused(self, store: SqlKeyStore) -> None:
        stale = add_pinned(store)
        add_version(store, stale, state=VersionState.RETIRED)
        before = event_types(store)
        with pytest.raises(StateChanged):
            store.add_version(stale, new_version(), event())
        assert event_types(store) == before


class TestChanges:
    def test_a_rotation_is_one_change(self, store: SqlKeyStore) -> None:
        key = add_version(store, add_pinned(store))
        changes = [swap(key.versions[0], VersionState.PREVIOUS), swap(key.versions[1], VersionState.ACTIVE)]
        key = store.change(key, changes, [event(EventType.KEY_ROTATED)])
        assert [version.state for version in key.versions] == [VersionState.PREVIOUS, VersionState.ACTIVE]

    def test_two_active_versions_are_refused(self, store: SqlKeyStore) -> None:
        key = add_version(store, add_pinned(store))
        before = event_types(store)
        with pytest.raises(ActiveVersionExists) as refusal:
            store.change(key, [swap(key.versions[1], VersionState.ACTIVE)], [event(EventType.KEY_ROTATED)])
        assert refusal.value.facts == {"key": "firmware", "version": 1}
        assert store.key("firmware") == key
        assert event_types(store) == before

    def test_two_next_versions_are_refused(self, store: SqlKeyStore) -> None:
        key = add_version(store, add_pinned(store), state=VersionState.RETIRED)
        key = add_version(store, key)
        with pytest.raises(StateChanged):
            store.change(key, [swap(key.versions[1], VersionState.NEXT)], [event()])
        assert store.key("firmware") == key

    def test_a_version_in_another_state_is_refused(self, store: SqlKeyStore) -> None:
        key = add_pinned(store)
        before = event_types(store)
        change = VersionChange(
            version_id=key.versions[0].id, expected=VersionState.NEXT, state=VersionState.RETIRED, fields={}
        )
        with pytest.raises(StateChanged) as refusal:
            store.change(key, [change], [event()])
        assert refusal.value.key == "firmware"
        assert store.key("firmware") == key
        assert event_types(store) == before

    def test_all_changes_are_made_or_none(self, store: SqlKeyStore) -> None:
        key = add_version(store, add_pinned(store))
        second = VersionChange(
            version_id=key.versions[1].id, expected=VersionState.DISABLED, state=VersionState.RETIRED, fields={}
        )
        with pytest.raises(StateChanged):
            store.change(key, [swap(key.versions[0], VersionState.DISABLED), second], [event()])
        assert store.key("firmware") == key

    def test_a_version_that_does_not_exist_is_refused(self, store: SqlKeyStore) -> None:
        key = add_pinned(store)
        change = VersionChange(version_id=1 << 40, expected=VersionState.ACTIVE, state=VersionState.NEXT, fields={})
        with pytest.raises(StateChanged):
            store.change(key, [change], [])

    def test_a_pair_is_part_of_one_version(self, store: SqlKeyStore) -> None:
        first = add_pinned(store, "first").versions[0]
        key = store.add_key(new_key("second"), new_version(), event(key="second"))
        fields = {"spki": first.spki, "fingerprint": first.fingerprint}
        with pytest.raises(PairInUse) as refusal:
            store.change(key, [swap(key.versions[0], VersionState.ACTIVE, **fields)], [event()])
        assert refusal.value.fingerprint == first.fingerprint
        assert store.key("second").versions[0].state is VersionState.PENDING

    def test_a_pair_of_a_destroyed_version_is_not_taken_up_again(self, store: SqlKeyStore) -> None:
        destroyed = add_pinned(store, "first", state=VersionState.DESTROYED).versions[0]
        key = store.add_key(new_key("second"), new_version(), event(key="second"))
        fields = {"spki": destroyed.spki, "fingerprint": destroyed.fingerprint}
        with pytest.raises(PairInUse):
            store.change(key, [swap(key.versions[0], VersionState.ACTIVE, **fields)], [])

    @pytest.mark.parametrize("state", sorted(set(VersionState) - {"pending", "destroyed", "destroying"}))
    def test_nothing_without_a_pinned_public_key_leaves_pending(self, store: SqlKeyStore, state: VersionState) -> None:
        key = store.add_key(new_key(), new_version(), event())
        with pytest.raises(SignerError):
            store.change(key, [swap(key.versions[0], VersionState(state))], [event()])
        assert store.key("firmware") == key


class TestEvents:
    def test_an_event_is_read_back_as_it_was(self, store: SqlKeyStore, clock: ManualClock) -> None:
        clock.advance(hours=2)
        written = event(EventType.CERTIFICATE_ISSUED)
        store.record(written)
        (recorded,) = store.events(after=0, limit=10, key=None)
        # What is not set has no place in a leaf.
        told = replace(written, before={"state": "before"})
        assert (recorded.at, recorded.event) == (clock.now, told)

    @pytest.mark.parametrize("kind", EventType)
    def test_every_kind_of_event_can_be_recorded(self, store: SqlKeyStore, kind: EventType) -> None:
        store.record(event(kind, key=None, version=None))
        assert event_types(store) == [kind]

    def test_events_come_oldest_first_a_page_at_a_time(self, store: SqlKeyStore) -> None:
        for number in range(5):
            store.record(event(version=number))
        first = store.events(after=0, limit=2, key=None)
        second = store.events(after=first[-1].id, limit=2, key=None)
        rest = store.events(after=second[-1].id, limit=2, key=None)
        assert [item.event.version for item in (*first, *second, *rest)] == [0, 1, 2, 3, 4]
        assert store.events(after=rest[-1].id, limit=2, key=None) == ()

    def test_identifiers_grow_by_one_also_over_what_was_rolled_back(self, store: SqlKeyStore) -> None:
        key = add_version(store, add_pinned(store))
        for _ in range(3):
            with pytest.raises(KeyNameTaken):
                store.add_key(new_key(), new_version(), event())
            with pytest.raises(ActiveVersionExists):
                store.change(key, [swap(key.versions[1], VersionState.ACTIVE)], [event()])
        store.record(event())
        last = store.events(after=0, limit=10, key=None)[-1].id
        with pytest.raises(KeyNameTaken):
            store.add_key(new_key(), new_version(), event())
        store.record(event())
        assert [item.id for item in store.events(after=last, limit=10, key=None)] == [last + 1]

    def test_events_of_one_key(self, store: SqlKeyStore) -> None:
        for name in ("a", "b", "a"):
            store.record(event(key=name))
        assert len(store.events(after=0, limit=10, key="a")) == 2
        assert store.events(after=0, limit=10, key="c") == ()

    def test_names_of_others_and_odd_characters_are_kept(self, store: SqlKeyStore) -> None:
        odd = Event(
            type=EventType.CERTIFICATE_ISSUED,
            actor="api-token:tester",
            key="firmware",
            version=1,
            before={},
            after={"subject": "CN=Straße 東京 \U0001f511 \"';--"},
        )
        store.record(odd)
        assert store.events(after=0, limit=1, key=None)[0].event == odd


class TestCertificates:
    @staticmethod
    def _certificate(pem: str) -> Certificate:
        return Certificate(
            pem=pem, chain_pem="chain", self_signed=False, not_after=START + timedelta(days=9), created_at=START
        )

    def test_the_newest_counts(self, store: SqlKeyStore) -> None:
        key = add_pinned(store)
        for pem in ("old", "new"):
            store.add_certificate(key, 1, self._certificate(pem), event(EventType.CERTIFICATE_IMPORTED))
        assert store.certificate(key, 1) == self._certificate("new")
        assert event_types(store).count(EventType.CERTIFICATE_IMPORTED) == 2

    def test_a_version_without_one(self, store: SqlKeyStore) -> None:
        key = add_version(store, add_pinned(store))
        store.add_certificate(key, 1, self._certificate("one"), event())
        with pytest.raises(CertificateNotFound) as refusal:
            store.certificate(key, 2)
        assert refusal.value.facts == {"key": "firmware", "version": 2}

    def test_a_version_that_is_not_there(self, store: SqlKeyStore) -> None:
        key = add_pinned(store)
        with pytest.raises(VersionNotFound):
            store.add_certificate(key, 2, self._certificate("one"), event())
        assert EventType.CERTIFICATE_IMPORTED not in event_types(store)


WORDS: dict[str, tuple[type[StrEnum], str, str]] = {
    "purposes": (Purpose, "keys", "purpose"),
    "algorithms": (Algorithm, "keys", "algorithm"),
    "states": (VersionState, "key_versions", "state"),
    "states to return to": (VersionState, "key_versions", "disabled_from"),
    "origins": (Origin, "key_versions", "origin"),
    "events": (EventType, "log_leaves", "type"),
    "roles": (Role, "api_tokens", "role"),
}


@pytest.mark.parametrize("words", WORDS)
def test_every_word_fits_into_its_column(words: str) -> None:
    kind, table, column = WORDS[words]
    assert max(len(word) for word in kind) <= tables.metadata.tables[table].c[column].type.length
