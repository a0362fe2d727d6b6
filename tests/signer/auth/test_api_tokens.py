"""Credentials: what proves an identity, and what proves nothing without saying why."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from signer.auth.api_tokens import CACHE_ENTRIES, ApiTokenAuthenticator, issue_api_token, revoke_api_token
from signer.domain.events import Event, EventType
from signer.domain.identity import Identity, Role
from signer.errors import CredentialsRejected, DatabaseUnavailable

CACHE_SECONDS = 5.0
ID = "0123456789abcdef"
SECRET = "s" * 43
TOKEN = f"ast_{ID}_{SECRET}"


@dataclass(slots=True)
class Records:
    """What is on record, and how often it was asked for."""

    rows: dict[str, tuple[str, str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    broken: bool = False
    at_find: Callable[[], object] = lambda: None

    def add(self, *, token_id: str, name: str, role: str, secret_sha256: bytes, event: Event) -> None:
        self.rows[token_id] = (name, role, secret_sha256)
        self.events.append(event)

    def revoke(self, name: str, event: Event) -> bool:
        self.rows = {token_id: row for token_id, row in self.rows.items() if row[0] != name}
        self.events.append(event)
        return True

    def find(self, token_id: str) -> tuple[str, str, bytes] | None:
        self.asked.append(token_id)
        if self.broken:
            raise DatabaseUnavailable
        row = self.rows.get(token_id)
        self.at_find()
        return row


@dataclass(slots=True)
class Seconds:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def records() -> Records:
    return Records(rows={ID: ("pipeline", "signer", hashlib.sha256(SECRET.encode()).digest())})


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def authenticator(records: Records, seconds: Seconds) -> ApiTokenAuthenticator:
    return ApiTokenAuthenticator(store=records, monotonic=seconds, cache_seconds=CACHE_SECONDS)


REJECTED = {
    "nothing": "",
    "its scheme with it": f"Bearer {TOKEN}",
    "a space before it": f" {TOKEN}",
    "an unknown id": f"ast_{'0' * 16}_{SECRET}",
    "another secret": f"ast_{ID}_{'t' * 43}",
    "a secret with another last letter": f"ast_{ID}_{'s' * 42}t",
    "a secret that is too short": f"ast_{ID}_{'s' * 42}",
    "a secret that is too long": f"ast_{ID}_{'s' * 44}",
    "no secret": f"ast_{ID}_",
    "an id in upper case": f"ast_{ID.upper()}_{SECRET}",
    "another prefix": f"tok_{ID}_{SECRET}",
    "two tokens": f"{TOKEN} {TOKEN}",
    "two tokens with a comma": f"{TOKEN},{TOKEN}",
    "a newline within": f"ast_{ID}\n_{SECRET}",
    "a NUL at the end": f"{TOKEN}\0",
    "letters that are not ASCII": f"ast_{ID}_{chr(0x17F) * 43}",
    "digits that are not ASCII": f"ast_{chr(0x661) * 16}_{SECRET}",
    "a lone surrogate": f"ast_{ID}_{chr(0xD800) * 43}",
    "a very long one": "a" * 100_000,
    "the hash in place of the secret": f"ast_{ID}_{hashlib.sha256(SECRET.encode()).hexdigest()[:43]}",
}


def test_a_token_proves_an_identity(authenticator: ApiTokenAuthenticator) -> None:
    assert authenticator.authenticate(TOKEN) == Identity(name="api-token:pipeline", role=Role.SIGNER)


@pytest.mark.parametrize("known", [False, True], ids=["fresh", "cached"])
@pytest.mark.parametrize("sentence", REJECTED)
def test_everything_else_is_rejected_without_a_reason(
    authenticator: ApiTokenAuthenticator, sentence: str, known: bool
) -> None:
    if known:
        authenticator.authenticate(TOKEN)
    with pytest.raises(CredentialsRejected) as refusal:
        authenticator.authenticate(REJECTED[sentence])
    assert refusal.value.facts == {}
    assert str(refusal.value) == "credentials-rejected"


def test_what_is_no_token_costs_no_query(authenticator: ApiTokenAuthenticator, records: Records) -> None:
    for sentence in ("nothing", "no secret", "a very long one"):
        with pytest.raises(CredentialsRejected):
            authenticator.authenticate(REJECTED[sentence])
    assert records.asked == []


class TestCache:
    def test_a_token_stays_known_for_a_while(
        self, authenticator: ApiTokenAuthenticator, records: Records, seconds: Seconds
    ) -> None:
        for _ in range(3):
            authenticator.authenticate(TOKEN)
        assert records.asked == [ID]
        seconds.now += CACHE_SECONDS
        authenticator.authenticate(TOKEN)
        assert records.asked == [ID, ID]

    def test_a_revoked_token_is_rejected_after_the_while(
        self, authenticator: ApiTokenAuthenticator, records: Records, seconds: Seconds
    ) -> None:
        authenticator.authenticate(TOKEN)
        assert revoke_api_token(records, name="pipeline", actor="tester")
        assert [event.type for event in records.events] == [EventType.API_TOKEN_REVOKED]
        seconds.now += CACHE_SECONDS
        with pytest.raises(CredentialsRejected):
            authenticator.authenticate(TOKEN)

    def test_a_token_that_was_unknown_is_asked_for_again(
        self, authenticator: ApiTokenAuthenticator, records: Records
    ) -> None:
        row = records.rows.pop(ID)
        with pytest.raises(CredentialsRejected):
            authenticator.authenticate(TOKEN)
        records.rows[ID] = row
        assert authenticator.authenticate(TOKEN).role is Role.SIGNER

    def test_a_wrong_secret_does_not_ride_on_a_known_id(
        self, authenticator: ApiTokenAuthenticator, records: Records
    ) -> None:
        authenticator.authenticate(TOKEN)
        for _ in range(2):
            with pytest.raises(CredentialsRejected):
                authenticator.authenticate(REJECTED["another secret"])
        assert records.asked == [ID]

    def test_it_does_not_grow_without_bound(self, authenticator: ApiTokenAuthenticator, records: Records) -> None:
        digest = hashlib.sha256(SECRET.encode()).digest()
        for number in range(CACHE_ENTRIES + 50):
            records.rows[f"{number:016x}"] = (f"some-{number}", "reader", digest)
            authenticator.authenticate(f"ast_{number:016x}_{SECRET}")
        assert len(authenticator._known) <= CACHE_ENTRIES
        assert len(authenticator._proved) <= CACHE_ENTRIES

    def test_what_was_looked_up_before_access_changed_is_not_remembered(
        self, authenticator: ApiTokenAuthenticator, records: Records
    ) -> None:
        def revoked_meanwhile() -> None:
            revoke_api_token(records, name="pipeline", actor="tester")
            authenticator.forget()

        records.at_find = revoked_meanwhile
        identity = authenticator.authenticate(TOKEN)
        assert not authenticator.proved(identity)
        assert authenticator.remembered(TOKEN) is None
        with pytest.raises(CredentialsRejected):
            authenticator.authenticate(TOKEN)

    def test_an_identity_is_proved_until_access_changes(self, authenticator: ApiTokenAuthenticator) -> None:
        identity = authenticator.authenticate(TOKEN)
        assert authenticator.proved(identity)
        authenticator.forget()
        assert not authenticator.proved(identity)
        assert not authenticator.proved(Identity(name="api-token:other", role=Role.SIGNER))

    def test_a_database_in_trouble_proves_nothing(
        self, authenticator: ApiTokenAuthenticator, records: Records, seconds: Seconds
    ) -> None:
        authenticator.authenticate(TOKEN)
        records.broken = True
        authenticator.authenticate(TOKEN)
        seconds.now += CACHE_SECONDS
        with pytest.raises(DatabaseUnavailable):
            authenticator.authenticate(TOKEN)


class TestIssue:
    @pytest.mark.parametrize("role", Role)
    def test_a_token_is_accepted_as_what_it_was_issued_for(
        self, authenticator: ApiTokenAuthenticator, records: Records, role: Role
    ) -> None:
        token = issue_api_token(records, name="new", role=role, actor="tester")
        assert authenticator.authenticate(token) == Identity(name="api-token:new", role=role)

    def test_only_a_hash_of_the_secret_is_kept(self, records: Records) -> None:
        token = issue_api_token(records, name="new", role=Role.READER, actor="tester")
        _, token_id, secret = token.split("_", 2)
        assert records.rows[token_id][2] == hashlib.sha256(secret.encode()).digest()
        assert secret not in repr(records.rows) + repr(records.events)

    def test_no_two_are_alike(self, records: Records) -> None:
        tokens = {issue_api_token(records, name=str(n), role=Role.READER, actor="tester") for n in range(50)}
        assert len({token.split("_", 2)[1] for token in tokens}) == len({token[21:] for token in tokens}) == 50
