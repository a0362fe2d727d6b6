"""New keys and versions, generated in the token; what fails leaves no burnt name."""

from __future__ import annotations

import base64
import hashlib
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import pytest

from hsm.algorithms import Algorithm
from hsm.errors import (
    AlgorithmUnsupported,
    DeadlineExceeded,
    KeyExists,
    TokenError,
    TokenFull,
    TokenReadOnly,
    TokenStoreFailed,
    TokenUnavailable,
)
from signer.domain.events import EventType as E
from signer.domain.keys import KeyVersion, Origin, Purpose, Validity, VersionState
from signer.errors import (
    AlgorithmNotAllowed,
    CreationUnfinished,
    InvalidName,
    KeyNameTaken,
    KeyNotFound,
    NextVersionExists,
    SignerError,
    TokenNotConfigured,
)
from signer.services.key_pairs import KeyPairSelector
from signer.services.lifecycle import NewKeyRequest
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, KEY, House
from tests.support.memory_tokens import MemoryTokens, Pair, make_key, spki_of

from .steps import asked

P256 = Algorithm.ECDSA_P256


def _pinned(version: KeyVersion) -> dict[str, str]:
    """Which key it is, and the key itself: readers of the record check signatures with it."""
    assert version.spki is not None
    return {
        "fingerprint": hashlib.sha256(version.spki).hexdigest(),
        "public_key": base64.b64encode(version.spki).decode(),
    }


class TestCreate:
    def test_the_first_version_signs_at_once(self, house: House, tokens: MemoryTokens, clock: ManualClock) -> None:
        validity = Validity(not_after=clock.now + timedelta(days=30), signature_limit=9)
        key = house.create(validity=validity)
        (pair,) = tokens.pairs()
        version = key.version(1)
        assert (version.state, version.origin, version.validity) == (VersionState.ACTIVE, Origin.GENERATED, validity)
        assert (version.cka_id, version.spki, version.tokens) == (pair.key_id, pair.spki, ("one",))
        assert (pair.label, len(pair.key_id), key.created_by) == ("firmware-v1", 16, ADMIN.name)
        assert house.store.key(KEY) == key

    def test_its_events_tell_of_it(self, house: House) -> None:
        version = house.create().version(1)
        started, created, certified = (item.event for item in house.events())
        assert [started.type, created.type, certified.type] == [E.CREATION_STARTED, E.KEY_CREATED, E.CERTIFICATE_ISSUED]
        assert {started.actor, created.actor} == {ADMIN.name}
        assert started.after == {"origin": "generated", "cka_id": version.cka_id.hex(), "tokens": ["one"]}
        assert created.before == {"state": "pending"}
        assert created.after == {"state": "active", **_pinned(version), "tokens": ["one"]}

    def test_it_is_recorded_before_the_token_is_asked(self, house: House, tokens: MemoryTokens) -> None:
        seen: list[VersionState] = []
        with tokens.at("generate", lambda: seen.extend(house.states())):
            house.create()
        assert seen == [VersionState.PENDING]

    @pytest.mark.parametrize("purpose", Purpose)
    def test_keys_of_every_purpose_are_created(self, house: House, purpose: Purpose) -> None:
        assert house.create(purpose=purpose).purpose is purpose

    def test_ed25519_where_the_token_offers_it(self, house: House) -> None:
        assert house.create(algorithm="ed25519", purpose=Purpose.LOG).version(1).state is VersionState.ACTIVE

    def test_some_of_the_configured_tokens(self, pair_house: House, two_tokens: MemoryTokens) -> None:
        key = pair_house.lifecycle.create(ADMIN, asked(tokens=("two", "two"))).key
        assert key.tokens == ("two",)
        assert (two_tokens.pairs("one"), len(two_tokens.pairs("two"))) == ((), 1)

    def test_every_configured_token_unless_said(self, pair_house: House, two_tokens: MemoryTokens) -> None:
        key = pair_house.create()
        assert (key.tokens, key.version(1).tokens) == (("one", "two"), ("one",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    request: NewKeyRequest
    error: type[SignerError]
    facts: dict[str, object] = field(default_factory=dict)


REFUSED_REQUESTS = {
    "a name with odd characters": Refused(request=asked("../x"), error=InvalidName, facts={"name": "../x"}),
    "a name that exists": Refused(request=asked("taken"), error=KeyNameTaken, facts={"key": "taken"}),
    "an unknown algorithm": Refused(request=asked(algorithm="rsa-1024"), error=AlgorithmNotAllowed),
    "an algorithm that devices do not verify": Refused(request=asked(algorithm="ed25519"), error=AlgorithmNotAllowed),
    "a token that is not configured": Refused(
        request=asked(tokens=("one", "three")),
        error=TokenNotConfigured,
        facts={"token": "three", "configured": ("one",)},
    ),
}


@pytest.mark.parametrize("adopted", [False, True], ids=["create", "adopt"])
@pytest.mark.parametrize("sentence", REFUSED_REQUESTS)
def test_a_request_is_refused_and_leaves_nothing(
    house: House, tokens: MemoryTokens, sentence: str, adopted: bool
) -> None:
    row = REFUSED_REQUESTS[sentence]
    house.create("taken")
    private = make_key(P256)
    tokens.put(Pair(key_id=b"\x01", label="found", private=private, spki=spki_of(private)))
    keys, events, pairs = house.store.all_keys(), house.events(), tokens.pairs()
    found = KeyPairSelector(label="found")
    step = partial(house.lifecycle.adopt, selector=found) if adopted else house.lifecycle.create
    with pytest.raises(row.error) as refusal:
        step(ADMIN, row.request)
    assert row.facts.items() <= refusal.value.facts.items()
    assert (house.store.all_keys(), house.events(), tokens.pairs()) == (keys, events, pairs)


CLEAN_FAILURES: dict[str, TokenError] = {
    "the token is full": TokenFull(token="one"),
    "the token is read-only": TokenReadOnly(token="one"),
    "the token does not offer the algorithm": AlgorithmUnsupported(token="one"),
    "the token holds an object of this name": KeyExists(token="one"),
}


class TestTokenRefuses:
    @pytest.mark.parametrize("sentence", CLEAN_FAILURES)
    def test_the_name_is_free_again(self, house: House, tokens: MemoryTokens, sentence: str) -> None:
        error = CLEAN_FAILURES[sentence]
        with tokens.failing("generate", error), pytest.raises(type(error)):
            house.create()
        abandoned = house.events()[-1].event
        assert abandoned.type is E.CREATION_ABANDONED
        assert (abandoned.before, abandoned.after) == (
            {"state": "pending"},
            {"state": "destroyed", "reason": error.code},
        )
        assert house.create(purpose=Purpose.LOG).version(1).state is VersionState.ACTIVE

    @pytest.mark.parametrize("sentence", CLEAN_FAILURES)
    def test_another_version_can_be_prepared(self, house: House, tokens: MemoryTokens, sentence: str) -> None:
        error = CLEAN_FAILURES[sentence]
        house.create()
        with tokens.failing("generate", error), pytest.raises(type(error)):
            house.prepare()
        assert house.states() == [VersionState.ACTIVE, VersionState.DESTROYED]
        assert house.prepare().version(3).state is VersionState.NEXT

    def test_a_key_whose_first_pair_was_never_made_can_have_another(self, house: House, tokens: MemoryTokens) -> None:
        with tokens.failing("generate", TokenFull(token="one")), pytest.raises(TokenFull):
            house.create()
        house.prepare()
        assert house.rotate().active is not None

    def test_a_key_that_never_was_is_not_listed(self, house: House, tokens: MemoryTokens) -> None:
        with tokens.failing("generate", TokenFull(token="one")), pytest.raises(TokenFull):
            house.create()
        queries = house.application.queries
        assert queries.keys(ADMIN) == ()
        for read in (queries.key, partial(queries.public_key, number=1)):
            with pytest.raises(KeyNotFound):
                read(ADMIN, KEY)

    def test_a_version_that_never_was_is_not_listed(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        with tokens.failing("generate", TokenFull(token="one")), pytest.raises(TokenFull):
            house.prepare()
        queries = house.application.queries
        assert [version.number for version in queries.key(ADMIN, KEY).versions] == [1]
        assert [[version.number for version in key.versions] for key in queries.keys(ADMIN)] == [[1]]


class TestTokenFails:
    """A failure in the middle: what the token holds afterwards decides, where it can be asked."""

    def test_a_token_that_cannot_be_asked_leaves_no_record(self, house: House, tokens: MemoryTokens) -> None:
        with tokens.failing("find_key", TokenUnavailable(token="one")), pytest.raises(TokenUnavailable):
            house.create()
        assert (house.store.all_keys(), house.events()) == ((), ())
        assert house.create().active is not None

    def test_no_next_version_either(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        events = house.events()
        with tokens.failing("find_key", TokenUnavailable(token="one")), pytest.raises(TokenUnavailable):
            house.prepare()
        assert (house.states(), house.events()) == ([VersionState.ACTIVE], events)

    @pytest.mark.parametrize(
        "error", [TokenUnavailable(token="one"), TokenStoreFailed(token="one")], ids=lambda e: e.code
    )
    def test_what_the_token_did_not_do_can_be_tried_again(
        self, house: House, tokens: MemoryTokens, error: TokenError
    ) -> None:
        with tokens.failing("generate", error), pytest.raises(type(error)):
            house.create()
        assert house.event_types() == [E.CREATION_STARTED, E.CREATION_ABANDONED]
        assert house.create().active is not None
        assert len(tokens.pairs()) == 1

    @pytest.mark.parametrize(
        "error",
        [TokenUnavailable(token="one"), DeadlineExceeded(token="one"), TokenStoreFailed(token="one")],
        ids=lambda e: e.code,
    )
    def test_what_the_token_did_although_it_failed_is_taken(
        self, house: House, tokens: MemoryTokens, error: TokenError
    ) -> None:
        with tokens.failing("generate", error, after=True):
            key = house.create()
        assert [pair.key_id for pair in tokens.pairs()] == [key.version(1).cka_id]
        assert key.active is not None

    def test_what_may_still_be_under_way_stays_pending(self, house: House, tokens: MemoryTokens) -> None:
        with tokens.failing("generate", DeadlineExceeded(token="one")), pytest.raises(CreationUnfinished) as refusal:
            house.create()
        assert refusal.value.facts == {"key": KEY, "version": 1, "token": "one"}
        assert house.states() == [VersionState.PENDING]
        with pytest.raises(KeyNameTaken):
            house.create()

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    def test_what_cannot_be_looked_at_stays_pending(self, house: House, tokens: MemoryTokens, after: bool) -> None:
        gone = TokenUnavailable(token="one")
        with ExitStack() as stack:
            # Once the pair is being made the token is not there any more.
            stack.enter_context(tokens.at("generate", lambda: stack.enter_context(tokens.failing("find_key", gone))))
            stack.enter_context(tokens.failing("generate", gone, after=after))
            with pytest.raises(CreationUnfinished):
                house.create()
        assert house.states() == [VersionState.PENDING]
        assert len(tokens.pairs()) == int(after)
        assert not after or tokens.pairs()[0].key_id == house.version().cka_id
        assert house.store.key(KEY).active is None

    @pytest.mark.parametrize("left", ["private", "public"])
    def test_half_a_pair_that_a_store_kept_stays_pending(self, house: House, tokens: MemoryTokens, left: str) -> None:
        def put() -> None:
            private = make_key(P256)
            half = Pair(key_id=house.version().cka_id, label="x", private=private, spki=spki_of(private))
            tokens.put(replace(half, spki=None) if left == "private" else replace(half, private=None))

        failed = TokenStoreFailed(token="one")
        with tokens.at("generate", put), tokens.failing("generate", failed), pytest.raises(CreationUnfinished):
            house.create()
        assert house.states() == [VersionState.PENDING]

    def test_what_is_not_as_it_was_to_be_made_is_not_taken(self, house: House, tokens: MemoryTokens) -> None:
        def put() -> None:
            private = make_key(P256)
            key_id = house.version().cka_id
            tokens.put(Pair(key_id=key_id, label="x", private=private, spki=spki_of(private), extractable=True))

        gone = TokenUnavailable(token="one")
        with tokens.at("generate", put), tokens.failing("generate", gone), pytest.raises(CreationUnfinished):
            house.create()
        assert house.states() == [VersionState.PENDING]


class TestPrepare:
    def test_the_next_version_is_published_and_does_not_sign(self, house: House) -> None:
        house.create()
        key = house.prepare()
        assert house.states() == [VersionState.ACTIVE, VersionState.NEXT]
        assert [version.number for version in key.trusted] == [1, 2]
        assert key.active is not None
        assert key.active.number == 1

    def test_its_events_tell_of_it(self, house: House) -> None:
        house.create()
        before = house.last_event
        version = house.prepare().version(2)
        started, prepared, _ = (item.event for item in house.events(after=before))
        assert house.event_types(after=before) == [E.CREATION_STARTED, E.VERSION_PREPARED, E.CERTIFICATE_ISSUED]
        assert (started.version, prepared.version, prepared.before) == (2, 2, {"state": "pending"})
        assert prepared.after == {"state": "next", **_pinned(version), "tokens": ["one"]}

    def test_there_is_one_next_version(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        house.prepare()
        events, pairs = house.events(), tokens.pairs()
        with pytest.raises(NextVersionExists) as refusal:
            house.prepare()
        assert refusal.value.facts == {"key": KEY, "version": 2, "state": "next"}
        assert (house.events(), tokens.pairs()) == (events, pairs)

    def test_an_interrupted_preparation_is_named(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        with tokens.failing("generate", DeadlineExceeded(token="one")), pytest.raises(CreationUnfinished):
            house.prepare()
        with pytest.raises(NextVersionExists) as refusal:
            house.prepare()
        assert refusal.value.state == "pending"

    def test_a_key_that_is_not_there(self, house: House) -> None:
        with pytest.raises(KeyNotFound):
            house.prepare("nothing")
        assert house.events() == ()
