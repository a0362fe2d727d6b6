"""API tokens on record: the public part, and a hash of the secret one."""

from __future__ import annotations

import pytest

from signer.auth.api_tokens import issue_api_token, reinstate_api_token
from signer.domain.events import EventType
from signer.domain.identity import Role
from signer.errors import ApiTokenNameTaken, ApiTokenNotFound
from signer.services.ports import ApiTokenRecord
from signer.storage.api_token_store import SqlApiTokenStore, suspend_all
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_transaction import logged
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.records import event


@pytest.fixture
def store(open_database: Opener, clock: ManualClock) -> SqlApiTokenStore:
    return SqlApiTokenStore(database=open_database(), clock=clock)


@pytest.fixture
def events(open_database: Opener, clock: ManualClock) -> SqlKeyStore:
    return SqlKeyStore(database=open_database(), clock=clock)


def add(store: SqlApiTokenStore, token_id: str, name: str) -> None:
    store.add(
        token_id=token_id,
        name=name,
        role="reader",
        secret_sha256=bytes(range(32)),
        event=event(EventType.API_TOKEN_CREATED, key=None, version=None),
    )


def revoke(store: SqlApiTokenStore, name: str) -> bool:
    return store.revoke(name, event(EventType.API_TOKEN_REVOKED, key=None, version=None))


def test_what_was_recorded_is_found(store: SqlApiTokenStore) -> None:
    add(store, "0123456789abcdef", "console")
    assert store.find("0123456789abcdef") == ("console", "reader", bytes(range(32)))
    assert store.name_taken("console")


@pytest.mark.parametrize("token_id", ["", "0123456789abcdee", "0123456789ABCDEF", "' OR 1=1 --", "%"])
def test_what_was_not_recorded_is_not_found(store: SqlApiTokenStore, token_id: str) -> None:
    add(store, "0123456789abcdef", "console")
    assert store.find(token_id) is None
    assert not store.name_taken(token_id)


@pytest.mark.parametrize("revoked", [False, True], ids=["valid", "revoked"])
def test_a_name_is_used_once_and_a_refusal_leaves_no_event(
    store: SqlApiTokenStore, events: SqlKeyStore, revoked: bool
) -> None:
    add(store, "0123456789abcdef", "console")
    if revoked:
        revoke(store, "console")
    before = events.events(after=0, limit=9, key=None)
    with pytest.raises(ApiTokenNameTaken) as refusal:
        add(store, "fedcba9876543210", "console")
    assert refusal.value.facts == {"name": "console"}
    assert events.events(after=0, limit=9, key=None) == before


def test_an_id_is_used_once(store: SqlApiTokenStore, events: SqlKeyStore) -> None:
    add(store, "0123456789abcdef", "console")
    with pytest.raises(Exception, match=r"(?i)unique"):
        add(store, "0123456789abcdef", "other")
    assert len(events.events(after=0, limit=9, key=None)) == 1


class TestRevocation:
    def test_a_revoked_token_is_not_found_and_stays_on_record(
        self, store: SqlApiTokenStore, events: SqlKeyStore, clock: ManualClock
    ) -> None:
        add(store, "0123456789abcdef", "console")
        made = clock()
        clock.advance(seconds=60)
        assert revoke(store, "console")
        assert store.find("0123456789abcdef") is None
        assert store.all_tokens() == (
            ApiTokenRecord(
                id="0123456789abcdef",
                name="console",
                role="reader",
                created_at=made,
                revoked_at=clock(),
                suspended_at=None,
            ),
        )
        assert [item.event.type for item in events.events(after=0, limit=9, key=None)] == [
            EventType.API_TOKEN_CREATED,
            EventType.API_TOKEN_REVOKED,
        ]

    def test_it_is_revoked_once(self, store: SqlApiTokenStore, events: SqlKeyStore, clock: ManualClock) -> None:
        add(store, "0123456789abcdef", "console")
        revoke(store, "console")
        (before,) = store.all_tokens()
        clock.advance(seconds=60)
        assert not revoke(store, "console")
        assert store.all_tokens() == (before,)
        assert len(events.events(after=0, limit=9, key=None)) == 2

    @pytest.mark.parametrize("name", ["", "consol", "CONSOLE", "%", "0123456789abcdef"])
    def test_what_is_not_there_is_not_revoked(self, store: SqlApiTokenStore, events: SqlKeyStore, name: str) -> None:
        add(store, "0123456789abcdef", "console")
        with pytest.raises(ApiTokenNotFound) as refusal:
            revoke(store, name)
        assert refusal.value.facts == {"name": name}
        assert store.find("0123456789abcdef") is not None
        assert len(events.events(after=0, limit=9, key=None)) == 1

    def test_others_stay_as_they_are(self, store: SqlApiTokenStore) -> None:
        add(store, "0123456789abcdef", "console")
        add(store, "fedcba9876543210", "build")
        revoke(store, "console")
        assert store.find("fedcba9876543210") is not None
        assert [(token.name, token.revoked_at is None) for token in store.all_tokens()] == [
            ("build", True),
            ("console", False),
        ]


def test_a_token_is_recorded_with_its_event_and_without_its_secret(
    store: SqlApiTokenStore, events: SqlKeyStore, database_url: str
) -> None:
    token = issue_api_token(store, name="pipeline", role=Role.SIGNER, actor="artifact-signer init")
    _, token_id, secret = token.split("_", 2)
    (recorded,) = events.events(after=0, limit=9, key=None)
    assert recorded.event.type is EventType.API_TOKEN_CREATED
    assert recorded.event.actor == "artifact-signer init"
    assert recorded.event.after == {"name": "pipeline", "role": "signer"}
    assert store.find(token_id) is not None
    assert secret not in repr(recorded) + repr(store.find(token_id))


class TestSuspended:
    """After an older database was put back, tokens prove nothing until a person takes them back."""

    @pytest.fixture
    def suspended(self, store: SqlApiTokenStore, open_database: Opener, clock: ManualClock) -> SqlApiTokenStore:
        for number, name in enumerate(("console", "pipeline", "old")):
            add(store, f"{number:016x}", name)
        revoke(store, "old")
        with logged(open_database(), clock) as log:
            assert suspend_all(log.connection, clock()) == 2
        return store

    @staticmethod
    def _reinstate(store: SqlApiTokenStore, name: str) -> bool:
        return reinstate_api_token(store, name=name, reason="it was never revoked", actor="a person")

    def test_they_prove_nothing(self, suspended: SqlApiTokenStore) -> None:
        assert [suspended.find(f"{number:016x}") for number in range(3)] == [None] * 3
        assert suspended.role_of("console") is None
        assert [token.name for token in suspended.all_tokens() if token.suspended_at] == ["console", "pipeline"]

    def test_one_is_taken_back_with_the_secret_that_it_has(
        self, suspended: SqlApiTokenStore, events: SqlKeyStore
    ) -> None:
        assert self._reinstate(suspended, "console")
        assert suspended.find(f"{0:016x}") == ("console", "reader", bytes(range(32)))
        assert suspended.find(f"{1:016x}") is None
        newest = events.events(after=0, limit=100, key=None)[-1].event
        assert (newest.type, newest.actor) == (EventType.API_TOKEN_REINSTATED, "a person")
        assert newest.after == {"name": "console", "reason": "it was never revoked"}

    def test_taking_back_does_nothing_twice_and_nothing_to_what_was_revoked(
        self, suspended: SqlApiTokenStore, events: SqlKeyStore
    ) -> None:
        self._reinstate(suspended, "console")
        told = len(events.events(after=0, limit=100, key=None))
        assert not self._reinstate(suspended, "console")
        assert not self._reinstate(suspended, "old")
        assert suspended.find(f"{2:016x}") is None
        with pytest.raises(ApiTokenNotFound):
            self._reinstate(suspended, "nobody")
        assert len(events.events(after=0, limit=100, key=None)) == told

    def test_a_suspended_one_can_be_revoked(self, suspended: SqlApiTokenStore) -> None:
        assert revoke(suspended, "pipeline")
        self._reinstate(suspended, "pipeline")
        assert suspended.find(f"{1:016x}") is None
