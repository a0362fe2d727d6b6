"""API tokens on record: the public part, and a hash of the secret one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from signer.domain.api_tokens import ApiToken, NewApiToken, scope_of
from signer.domain.events import EventType
from signer.domain.identity import Role
from signer.errors import ApiTokenNameTaken, ApiTokenNotFound, PersonDisabled, PersonNotFound
from signer.services.access_ports import StoredApiToken
from signer.storage.access import access_digest
from signer.storage.api_token_store import SqlApiTokenStore, suspend_all
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_transaction import logged
from signer.storage.people_store import SqlPeopleStore
from tests.support.api_tokens import api_token_service, issue_api_token
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.records import event


@pytest.fixture
def store(open_database: Opener, clock: ManualClock) -> SqlApiTokenStore:
    return SqlApiTokenStore(database=open_database(), clock=clock)


@pytest.fixture
def people(open_database: Opener, clock: ManualClock) -> SqlPeopleStore:
    return SqlPeopleStore(database=open_database(), clock=clock)


@pytest.fixture
def events(open_database: Opener, clock: ManualClock) -> SqlKeyStore:
    return SqlKeyStore(database=open_database(), clock=clock)


def add(store: SqlApiTokenStore, token_id: str, name: str, **limits: Any) -> None:
    store.add(
        token_id=token_id,
        new=NewApiToken(name=name, role="reader", **limits),
        secret_sha256=bytes(range(32)),
        event=event(EventType.API_TOKEN_CREATED, key=None, version=None),
    )


def proof(store: SqlApiTokenStore, token_id: str) -> tuple[str, str | None, bytes] | None:
    found = store.find(token_id)
    return None if found is None else (found.token.name, found.token.role, found.secret_sha256)


def revoke(store: SqlApiTokenStore, name: str) -> bool:
    return store.revoke(name, event(EventType.API_TOKEN_REVOKED, key=None, version=None))


def test_what_was_recorded_is_found(store: SqlApiTokenStore) -> None:
    add(store, "0123456789abcdef", "console")
    assert proof(store, "0123456789abcdef") == ("console", "reader", bytes(range(32)))
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
            ApiToken(
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
        return api_token_service(store).reinstate(name, reason="it was never revoked", actor="a person")

    def test_they_prove_nothing(self, suspended: SqlApiTokenStore) -> None:
        assert [suspended.find(f"{number:016x}") for number in range(3)] == [None] * 3
        assert [token.name for token in suspended.all_tokens() if token.suspended_at] == ["console", "pipeline"]

    def test_one_is_taken_back_with_the_secret_that_it_has(
        self, suspended: SqlApiTokenStore, events: SqlKeyStore
    ) -> None:
        assert self._reinstate(suspended, "console")
        assert proof(suspended, f"{0:016x}") == ("console", "reader", bytes(range(32)))
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


class TestLimits:
    """What a token is limited to is kept as it was said, and is part of what gives power."""

    def test_all_of_it_is_found_again(
        self, store: SqlApiTokenStore, people: SqlPeopleStore, clock: ManualClock
    ) -> None:
        people.add_person(name="ada", display="Ada", email=None, event=event())
        scope, end = scope_of(["fw-*", "**"], ["sign", "read"]), clock() + timedelta(days=90)
        add(store, "0" * 16, "build", person="ada", scope=scope, expires_at=end)
        found = store.find("0" * 16)
        assert isinstance(found, StoredApiToken)
        assert (found.token.person, found.token.scope, found.token.expires_at) == ("ada", scope, end)
        assert store.named("build") == found.token

    def test_a_token_needs_no_role(self, store: SqlApiTokenStore) -> None:
        new = NewApiToken(name="bare")
        store.add(token_id="0" * 16, new=new, secret_sha256=b"x" * 32, event=event(EventType.API_TOKEN_CREATED))
        found = store.find("0" * 16)
        assert found is not None
        assert (found.token.role, found.token.scope, found.token.person) == (None, None, None)

    def test_one_that_ended_is_found_for_whoever_has_its_secret(
        self, store: SqlApiTokenStore, clock: ManualClock
    ) -> None:
        add(store, "0" * 16, "build", expires_at=clock() + timedelta(seconds=1))
        clock.advance(seconds=2)
        assert store.find("0" * 16) is not None

    def test_nobody_is_whose_it_is(self, store: SqlApiTokenStore, events: SqlKeyStore) -> None:
        with pytest.raises(PersonNotFound):
            add(store, "0" * 16, "build", person="nobody")
        assert store.all_tokens() == ()
        assert events.events(after=0, limit=9, key=None) == ()

    def test_a_disabled_person_gets_none(self, store: SqlApiTokenStore, people: SqlPeopleStore) -> None:
        people.add_person(name="eve", display="Eve", email=None, event=event())
        people.disable("eve", event())
        with pytest.raises(PersonDisabled):
            add(store, "0" * 16, "build", person="eve")
        assert store.all_tokens() == ()


class TestUses:
    @pytest.fixture
    def used(self, store: SqlApiTokenStore) -> SqlApiTokenStore:
        for number, name in enumerate(("console", "pipeline", "idle")):
            add(store, f"{number:016x}", name)
        return store

    def at(self, store: SqlApiTokenStore) -> dict[str, object]:
        return {token.name: token.last_used_at for token in store.all_tokens()}

    def test_they_are_written_for_those_that_were_used(self, used: SqlApiTokenStore, clock: ManualClock) -> None:
        used.note_uses([f"{0:016x}", f"{1:016x}", "f" * 16], clock())
        assert self.at(used) == {"console": clock(), "pipeline": clock(), "idle": None}

    def test_one_soon_after_another_is_not_written(self, used: SqlApiTokenStore, clock: ManualClock) -> None:
        first = clock()
        used.note_uses([f"{0:016x}"], first)
        clock.advance(seconds=30)
        used.note_uses([f"{0:016x}", f"{1:016x}"], clock())
        assert self.at(used) == {"console": first, "pipeline": clock(), "idle": None}
        clock.advance(seconds=60)
        used.note_uses([f"{0:016x}"], clock())
        assert self.at(used)["console"] == clock()

    def test_they_are_no_change_of_access(
        self, used: SqlApiTokenStore, open_database: Opener, clock: ManualClock
    ) -> None:
        with open_database().reading() as connection:
            before = access_digest(connection)
        used.note_uses([f"{0:016x}"], clock())
        with open_database().reading() as connection:
            assert access_digest(connection) == before
