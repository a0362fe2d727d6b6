"""Credentials: what proves an identity, and what proves nothing without saying why."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signer.auth.api_tokens import CACHE_ENTRIES, ApiTokenAuthenticator, made_api_token
from signer.auth.token_text import TokenText
from signer.domain.api_tokens import NewApiToken, scope_of
from signer.domain.events import EventType
from signer.domain.identity import ApiTokenIdentity, Identity, Role
from signer.errors import CredentialsExpired, CredentialsRejected, DatabaseUnavailable
from tests.support.api_tokens import MemoryApiTokens, MemoryDirectory, issue_api_token
from tests.support.api_tokens import api_token_service as service
from tests.support.clock import ManualClock
from tests.support.records import event

CACHE_SECONDS = 5.0
ID = "0123456789abcdef"
SECRET = "s" * 43
TOKEN = f"ast_{ID}_{SECRET}"
NEW_ID = "0011223344556677"
NEW_TOKEN = "ast_0011223344556677_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3G0Kpu"
NEW_DIGEST = "5bf541479dbeed20c3629527fa948fee25ce8565296e19f6e6b4186d8bf233f1"


@dataclass(slots=True)
class Seconds:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


IDENTITY = ApiTokenIdentity(name="api-token:pipeline", role="signer", token_id=ID)


@pytest.fixture
def records() -> MemoryApiTokens:
    """One token of the old form, and one of the present one."""
    made = MemoryApiTokens()
    put(made, ID, "pipeline", hashlib.sha256(SECRET.encode()).digest())
    put(made, NEW_ID, "build", hashlib.sha256(NEW_TOKEN.encode()).digest())
    return made


def put(records: MemoryApiTokens, token_id: str, name: str, sha256: bytes, **limits: Any) -> None:
    records.add(
        token_id=token_id,
        new=NewApiToken(name=name, role="signer", **limits),
        secret_sha256=sha256,
        event=event(EventType.API_TOKEN_CREATED),
    )
    records.events.clear()


@pytest.fixture
def directory() -> MemoryDirectory:
    return MemoryDirectory()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def used() -> list[str]:
    """The ids of tokens that proved an identity."""
    return []


@pytest.fixture
def authenticator(
    records: MemoryApiTokens, directory: MemoryDirectory, seconds: Seconds, clock: ManualClock, used: list[str]
) -> ApiTokenAuthenticator:
    return ApiTokenAuthenticator(
        store=records,
        directory=directory,
        clock=clock,
        monotonic=seconds,
        cache_seconds=CACHE_SECONDS,
        used=used.append,
    )


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
    "the present form with another last letter": NEW_TOKEN[:-1] + "v",
    "the present form with two letters in each other's place": NEW_TOKEN.replace("aUlT", "UalT"),
    "the present form with an unknown id": TokenText.make("ast", token_id="0" * 16).text,
    "the present form with another secret": TokenText.make("ast", token_id=NEW_ID).text,
    "the present form with the id of an old one": TokenText.make("ast", token_id=ID).text,
    "the old form with the id of a present one": f"ast_{NEW_ID}_{SECRET}",
    "the present form without its checksum": NEW_TOKEN[:-6],
    "a session": TokenText.make("asx", token_id=NEW_ID).text,
    "the hash in place of the secret": f"ast_{ID}_{hashlib.sha256(SECRET.encode()).hexdigest()[:43]}",
}


def test_a_token_proves_an_identity(authenticator: ApiTokenAuthenticator) -> None:
    assert authenticator.authenticate(TOKEN) == IDENTITY
    assert authenticator.authenticate(NEW_TOKEN) == replace(IDENTITY, name="api-token:build", token_id=NEW_ID)


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


def test_what_is_no_token_costs_no_query(authenticator: ApiTokenAuthenticator, records: MemoryApiTokens) -> None:
    for sentence in ("nothing", "no secret", "a very long one"):
        with pytest.raises(CredentialsRejected):
            authenticator.authenticate(REJECTED[sentence])
    assert records.asked == []


class TestCache:
    def test_a_token_stays_known_for_a_while(
        self, authenticator: ApiTokenAuthenticator, records: MemoryApiTokens, seconds: Seconds
    ) -> None:
        for _ in range(3):
            authenticator.authenticate(TOKEN)
        assert records.asked == [ID]
        seconds.now += CACHE_SECONDS
        authenticator.authenticate(TOKEN)
        assert records.asked == [ID, ID]

    @pytest.mark.parametrize("token", [TOKEN, NEW_TOKEN], ids=["old form", "present form"])
    def test_the_same_text_is_remembered(
        self, authenticator: ApiTokenAuthenticator, seconds: Seconds, used: list[str], token: str
    ) -> None:
        assert authenticator.remembered(token) is None
        identity = authenticator.authenticate(token)
        assert authenticator.remembered(token) is identity
        assert used == [token[4:20]] * 2
        seconds.now += CACHE_SECONDS
        assert authenticator.remembered(token) is None

    @pytest.mark.parametrize("sentence", REJECTED)
    def test_no_other_text_is(self, authenticator: ApiTokenAuthenticator, used: list[str], sentence: str) -> None:
        for token in (TOKEN, NEW_TOKEN):
            authenticator.authenticate(token)
        assert authenticator.remembered(REJECTED[sentence]) is None
        assert used == [ID, NEW_ID]

    def test_a_revoked_token_is_rejected_after_the_while(
        self, authenticator: ApiTokenAuthenticator, records: MemoryApiTokens, seconds: Seconds
    ) -> None:
        authenticator.authenticate(TOKEN)
        assert service(records).revoke("pipeline", actor="tester")
        assert [event.type for event in records.events] == [EventType.API_TOKEN_REVOKED]
        seconds.now += CACHE_SECONDS
        with pytest.raises(CredentialsRejected):
            authenticator.authenticate(TOKEN)

    def test_a_token_that_was_unknown_is_asked_for_again(
        self, authenticator: ApiTokenAuthenticator, records: MemoryApiTokens
    ) -> None:
        row = records.rows.pop(ID)
        with pytest.raises(CredentialsRejected):
            authenticator.authenticate(TOKEN)
        records.rows[ID] = row
        assert authenticator.authenticate(TOKEN).role == "signer"

    def test_a_wrong_secret_does_not_ride_on_a_known_id(
        self, authenticator: ApiTokenAuthenticator, records: MemoryApiTokens
    ) -> None:
        authenticator.authenticate(TOKEN)
        for _ in range(2):
            with pytest.raises(CredentialsRejected):
                authenticator.authenticate(REJECTED["another secret"])
        assert records.asked == [ID]

    def test_it_does_not_grow_without_bound(
        self, authenticator: ApiTokenAuthenticator, records: MemoryApiTokens
    ) -> None:
        digest = hashlib.sha256(SECRET.encode()).digest()
        for number in range(CACHE_ENTRIES + 50):
            put(records, f"{number:016x}", f"some-{number}", digest)
            authenticator.authenticate(f"ast_{number:016x}_{SECRET}")
        assert len(authenticator._known) <= CACHE_ENTRIES
        assert len(authenticator._proved) <= CACHE_ENTRIES

    def test_what_was_looked_up_before_access_changed_is_not_remembered(
        self, authenticator: ApiTokenAuthenticator, records: MemoryApiTokens
    ) -> None:
        def revoked_meanwhile() -> None:
            records.at_find = lambda: None
            service(records).revoke("pipeline", actor="tester")
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
        assert not authenticator.proved(replace(IDENTITY, name="api-token:other"))

    def test_a_database_in_trouble_proves_nothing(
        self, authenticator: ApiTokenAuthenticator, records: MemoryApiTokens, seconds: Seconds
    ) -> None:
        authenticator.authenticate(TOKEN)
        records.broken = True
        authenticator.authenticate(TOKEN)
        seconds.now += CACHE_SECONDS
        with pytest.raises(DatabaseUnavailable):
            authenticator.authenticate(TOKEN)


def test_a_wrong_checksum_costs_no_query(authenticator: ApiTokenAuthenticator, records: MemoryApiTokens) -> None:
    for sentence in (
        "the present form with another last letter",
        "the present form with two letters in each other's place",
    ):
        with pytest.raises(CredentialsRejected):
            authenticator.authenticate(REJECTED[sentence])
    assert records.asked == []


class TestEnd:
    """A token ends at its time, whatever is remembered of it, and whoever has its secret is told."""

    @pytest.fixture
    def token(self, records: MemoryApiTokens, clock: ManualClock) -> str:
        """Ends in a minute."""
        made = TokenText.make("ast")
        sha256 = hashlib.sha256(made.text.encode()).digest()
        put(records, made.id, "short", sha256, expires_at=clock() + timedelta(minutes=1))
        return made.text

    def test_it_is_refused_from_its_last_moment_on_while_it_is_remembered(
        self, authenticator: ApiTokenAuthenticator, clock: ManualClock, token: str, records: MemoryApiTokens
    ) -> None:
        identity = authenticator.authenticate(token)
        clock.advance(seconds=59)
        assert authenticator.remembered(token) == identity
        clock.advance(seconds=1)
        for ask in (authenticator.remembered, authenticator.authenticate):
            with pytest.raises(CredentialsExpired) as refusal:
                ask(token)
            assert refusal.value.facts == {"expires_at": identity.expires_at}
        assert len(records.asked) == 1

    def test_it_is_no_longer_confirmed(
        self, authenticator: ApiTokenAuthenticator, clock: ManualClock, token: str
    ) -> None:
        identity = authenticator.authenticate(token)
        authenticator.confirm(identity)
        clock.advance(seconds=60)
        with pytest.raises(CredentialsExpired):
            authenticator.confirm(identity)

    def test_whoever_knows_the_id_alone_is_not_told(
        self, authenticator: ApiTokenAuthenticator, clock: ManualClock, token: str
    ) -> None:
        clock.advance(seconds=61)
        with pytest.raises(CredentialsRejected) as refusal:
            authenticator.authenticate(TokenText.make("ast", token_id=token[4:20]).text)
        assert type(refusal.value) is CredentialsRejected

    def test_an_ended_token_is_not_used(
        self, authenticator: ApiTokenAuthenticator, clock: ManualClock, token: str, used: list[str]
    ) -> None:
        authenticator.authenticate(token)
        clock.advance(seconds=60)
        with pytest.raises(CredentialsExpired):
            authenticator.authenticate(token)
        assert used == [token[4:20]]


class TestFacts:
    """What an identity says of itself is what is on record, each time it is asked."""

    SCOPE = scope_of(["fw-*"], ["sign"])

    @pytest.fixture
    def identity(
        self, authenticator: ApiTokenAuthenticator, records: MemoryApiTokens, directory: MemoryDirectory
    ) -> Identity:
        """Of a token of a person, who is in a group."""
        directory.groups = {"person:ada": frozenset({"release"}), "api-token:pipeline": frozenset({"builds"})}
        put(records, ID, "pipeline", hashlib.sha256(SECRET.encode()).digest(), person="ada", scope=self.SCOPE)
        return authenticator.authenticate(TOKEN)

    def test_it_has_its_person_and_scope_and_the_groups_of_both(self, identity: Identity) -> None:
        assert (identity.person, identity.scope) == ("ada", self.SCOPE)
        assert identity.principals == {
            "api-token:pipeline", "person:ada", "role:signer", "group:release", "group:builds"
        }  # fmt: skip

    @pytest.mark.parametrize(
        "changed",
        [
            {"role": "administrator"},
            {"person": "eve"},
            {"groups": frozenset({"release", "builds", "qa"})},
            {"scope": None},
            {"scope": scope_of(["**"], ["sign"])},
            {"expires_at": datetime(2040, 1, 1, tzinfo=UTC)},
            {"token_id": NEW_ID},
            {"name": "api-token:build"},
        ],
        ids=lambda changed: str(*changed),
    )
    def test_one_that_says_something_else_is_not_confirmed(
        self, authenticator: ApiTokenAuthenticator, identity: Identity, changed: dict[str, Any]
    ) -> None:
        authenticator.confirm(identity)
        with pytest.raises(CredentialsRejected):
            authenticator.confirm(replace(identity, **changed))
        assert not authenticator.proved(replace(identity, **changed))

    def test_another_kind_of_identity_is_not_confirmed(self, authenticator: ApiTokenAuthenticator) -> None:
        with pytest.raises(CredentialsRejected):
            authenticator.confirm(Identity(name="api-token:pipeline", role="signer"))

    def test_a_token_of_a_disabled_person_proves_nothing(
        self, authenticator: ApiTokenAuthenticator, identity: Identity, directory: MemoryDirectory
    ) -> None:
        directory.disabled.add("ada")
        with pytest.raises(CredentialsRejected):
            authenticator.confirm(identity)
        authenticator.forget()
        with pytest.raises(CredentialsRejected):
            authenticator.authenticate(TOKEN)

    def test_a_group_that_lost_it_is_not_its_own_any_more(
        self, authenticator: ApiTokenAuthenticator, identity: Identity, directory: MemoryDirectory
    ) -> None:
        directory.groups.clear()
        authenticator.forget()
        assert authenticator.authenticate(TOKEN).groups == frozenset()
        with pytest.raises(CredentialsRejected):
            authenticator.confirm(identity)


class TestMaking:
    @pytest.mark.parametrize("role", [*Role, None])
    def test_a_token_is_accepted_as_what_it_was_made_for(
        self, authenticator: ApiTokenAuthenticator, records: MemoryApiTokens, role: str | None
    ) -> None:
        token = issue_api_token(records, name="new", role=role)
        identity = authenticator.authenticate(token)
        assert (identity.name, identity.role) == ("api-token:new", role)

    def test_what_is_kept_is_the_digest_of_the_whole_text(self, records: MemoryApiTokens) -> None:
        assert hashlib.sha256(NEW_TOKEN.encode()).hexdigest() == NEW_DIGEST
        token = issue_api_token(records, name="new", role=None)
        assert records.rows[token[4:20]].secret_sha256 == hashlib.sha256(token.encode()).digest()
        assert token[21:] not in repr(records.rows) + repr(records.events)

    def test_no_two_are_alike(self, records: MemoryApiTokens) -> None:
        tokens = {issue_api_token(records, name=str(n), role="reader") for n in range(50)}
        assert len({token.split("_", 2)[1] for token in tokens}) == len({token[21:] for token in tokens}) == 50

    def test_its_text_is_in_no_repr(self, records: MemoryApiTokens) -> None:
        made = made_api_token()
        issued = service(records).create(NewApiToken(name="new"), actor="tester")
        assert made.text not in repr(made)
        assert issued.text not in repr(issued)
