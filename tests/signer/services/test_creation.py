"""New keys and versions: generated, or found in the token; what fails leaves no burnt name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hsm.algorithms import Algorithm
from hsm.errors import (
    AlgorithmUnsupported,
    DeadlineExceeded,
    KeyAmbiguous,
    KeyExists,
    KeyHalvesDiffer,
    TokenError,
    TokenFull,
    TokenReadOnly,
    TokenUnavailable,
)
from hsm.errors import KeyNotFound as KeyNotInToken
from signer.domain.events import EventType as E
from signer.domain.keys import Origin, Purpose, Validity, VersionState
from signer.errors import (
    AlgorithmNotAllowed,
    InvalidName,
    KeyNameTaken,
    KeyNotFound,
    NextVersionExists,
    PairInUse,
    PairNotSuitable,
    SignerError,
    TokenNotConfigured,
)
from signer.services.lifecycle import NewKeyRequest
from signer.services.pairs import PairSelector
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, KEY, SIGNER, House
from tests.support.memory_tokens import MemoryTokens, Pair, make_key, spki_of

P256 = Algorithm.ECDSA_P256
UNLIMITED = Validity()


def asked(name: str = KEY, *, algorithm: str = "ecdsa-p256", tokens: tuple[str, ...] = ()) -> NewKeyRequest:
    return NewKeyRequest(unverified_name=name, unverified_algorithm=algorithm, tokens=tokens)


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
        assert created.after == {"state": "active", "fingerprint": version.fingerprint, "tokens": ["one"]}

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
    found = PairSelector(label="found")
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

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize(
        "error", [TokenUnavailable(token="one"), DeadlineExceeded(token="one")], ids=lambda e: e.code
    )
    def test_a_token_that_goes_away_leaves_a_pending_record(
        self, house: House, tokens: MemoryTokens, error: TokenError, after: bool
    ) -> None:
        with tokens.failing("generate", error, after=after), pytest.raises(type(error)):
            house.create()
        assert house.states() == [VersionState.PENDING]
        assert len(tokens.pairs()) == int(after)
        assert not after or tokens.pairs()[0].key_id == house.version().cka_id
        assert house.store.key(KEY).active is None
        with pytest.raises(KeyNameTaken):
            house.create()


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
        assert prepared.after == {"state": "next", "fingerprint": version.fingerprint, "tokens": ["one"]}

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
        with tokens.failing("generate", TokenUnavailable(token="one")), pytest.raises(TokenUnavailable):
            house.prepare()
        with pytest.raises(NextVersionExists) as refusal:
            house.prepare()
        assert refusal.value.state == "pending"

    def test_a_key_that_is_not_there(self, house: House) -> None:
        with pytest.raises(KeyNotFound):
            house.prepare("nothing")
        assert house.events() == ()


def some_pair(**changes: object) -> Pair:
    private = make_key(P256)
    fields: dict[str, object] = {"key_id": b"\xab\xcd", "label": "legacy", "private": private, "spki": spki_of(private)}
    return Pair(**(fields | {"local": False} | changes))  # type: ignore[arg-type]


SELECTORS = {"by label": PairSelector(label="legacy"), "by CKA_ID": PairSelector(cka_id=b"\xab\xcd")}


class TestAdopt:
    @pytest.mark.parametrize("how", SELECTORS)
    def test_a_pair_is_adopted(self, house: House, tokens: MemoryTokens, how: str) -> None:
        pair = tokens.put(some_pair())
        tokens.put(some_pair(key_id=b"\x99", label="another"))
        outcome = house.lifecycle.adopt(ADMIN, asked(), SELECTORS[how])
        version = outcome.key.version(1)
        assert (version.state, version.origin) == (VersionState.ACTIVE, Origin.ADOPTED)
        assert (version.cka_id, version.spki, version.tokens) == (pair.key_id, pair.spki, ("one",))
        assert outcome.warnings == ()
        assert house.event_types() == [E.CREATION_STARTED, E.KEY_ADOPTED, E.CERTIFICATE_ISSUED]
        assert house.events()[0].event.after["origin"] == "adopted"

    def test_a_pair_in_the_second_token_is_found(self, pair_house: House, two_tokens: MemoryTokens) -> None:
        two_tokens.put(some_pair(), token="two")
        key = pair_house.lifecycle.adopt(ADMIN, asked(), SELECTORS["by label"]).key
        assert key.version(1).tokens == ("two",)
        assert pair_house.signing.authorise(SIGNER, KEY) == key

    def test_as_a_next_version(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        tokens.put(some_pair())
        key = house.lifecycle.prepare(ADMIN, KEY, validity=UNLIMITED, selector=SELECTORS["by label"]).key
        assert key.version(2).state is VersionState.NEXT
        assert key.version(2).origin is Origin.ADOPTED

    WARNED = {  # noqa: RUF012  (a table)
        "the private key can be taken out": ({"extractable": True}, ("extractable",)),
        "the private key is shown": ({"sensitive": False}, ("not sensitive",)),
        "both": ({"extractable": True, "sensitive": False}, ("extractable", "not sensitive")),
    }

    @pytest.mark.parametrize("sentence", WARNED)
    def test_a_weak_pair_is_adopted_with_a_warning(self, house: House, tokens: MemoryTokens, sentence: str) -> None:
        changes, words = self.WARNED[sentence]
        tokens.put(some_pair(**changes))
        outcome = house.lifecycle.adopt(ADMIN, asked(), SELECTORS["by label"])
        assert outcome.key.version(1).state is VersionState.ACTIVE
        assert len(outcome.warnings) == len(words)
        for word, warning in zip(words, outcome.warnings, strict=True):
            assert word in warning

    @pytest.mark.parametrize("sentence", WARNED)
    def test_a_weak_pair_is_refused_in_strict_mode(
        self, open_worker: Callable[..., House], tokens: MemoryTokens, sentence: str
    ) -> None:
        changes, words = self.WARNED[sentence]
        tokens.put(some_pair(**changes))
        strict = open_worker(tokens, strict=True)
        with pytest.raises(PairNotSuitable) as refusal:
            strict.lifecycle.adopt(ADMIN, asked(), SELECTORS["by label"])
        assert all(word in refusal.value.reason for word in words)
        assert_name_is_free(strict)


def assert_name_is_free(house: House) -> None:
    """No key of the name signs, is published or keeps the name."""
    assert [key for key in house.store.all_keys() if key.trusted] == []
    assert house.create().active is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """What the token holds, and how adopting it by label is refused."""

    pairs: tuple[dict[str, object], ...]
    error: type[Exception]
    says: str = ""


OTHER_PUBLIC = spki_of(make_key(P256))
RSA = make_key(Algorithm.RSA_2048)
P384 = ec.generate_private_key(ec.SECP384R1())
UNFIT = {
    "no such pair": Unfit(pairs=({"label": "another"},), error=KeyNotInToken),
    "two pairs of one label": Unfit(pairs=({}, {"key_id": b"\x77"}), error=KeyAmbiguous),
    "the halves do not belong together": Unfit(pairs=({"spki": OTHER_PUBLIC},), error=KeyHalvesDiffer),
    "the public half is missing": Unfit(pairs=({"spki": None},), error=PairNotSuitable, says="one half"),
    "the private half is missing": Unfit(pairs=({"private": None},), error=PairNotSuitable, says="one half"),
    "another algorithm": Unfit(
        pairs=({"private": RSA, "spki": spki_of(RSA)},), error=PairNotSuitable, says="rsa-2048, the key is ecdsa-p256"
    ),
    "an algorithm that is not used here": Unfit(
        pairs=({"private": P384, "spki": spki_of(P384)},), error=PairNotSuitable, says="of an unknown kind"
    ),
    "a private half that may not sign": Unfit(pairs=({"sign": False},), error=PairNotSuitable, says="CKA_SIGN"),
    "no CKA_ID": Unfit(pairs=({"key_id": b""},), error=PairNotSuitable, says="CKA_ID"),
    "a CKA_ID that is too long": Unfit(pairs=({"key_id": bytes(256)},), error=PairNotSuitable, says="CKA_ID"),
}


class TestUnfitPairs:
    @pytest.mark.parametrize("sentence", UNFIT)
    def test_it_is_refused_and_the_name_is_free(self, house: House, tokens: MemoryTokens, sentence: str) -> None:
        row = UNFIT[sentence]
        for changes in row.pairs:
            tokens.put(some_pair(**changes))
        held = tokens.pairs()
        with pytest.raises(row.error) as refusal:
            house.lifecycle.adopt(ADMIN, asked(), PairSelector(label="legacy"))
        assert row.says in str(refusal.value)
        assert tokens.pairs() == held
        assert_name_is_free(house)

    @pytest.mark.parametrize("sentence", UNFIT)
    def test_it_is_refused_as_a_next_version(self, house: House, tokens: MemoryTokens, sentence: str) -> None:
        row = UNFIT[sentence]
        house.create()
        for changes in row.pairs:
            tokens.put(some_pair(**changes))
        with pytest.raises(row.error):
            house.lifecycle.prepare(ADMIN, KEY, validity=UNLIMITED, selector=PairSelector(label="legacy"))
        assert house.store.key(KEY).in_state(VersionState.PENDING) is None
        assert house.prepare().in_state(VersionState.NEXT) is not None

    def test_a_pair_that_is_in_use(self, house: House, tokens: MemoryTokens) -> None:
        tokens.put(some_pair())
        house.lifecycle.adopt(ADMIN, asked("first"), SELECTORS["by label"])
        with pytest.raises(PairInUse):
            house.lifecycle.adopt(ADMIN, asked("second"), SELECTORS["by label"])
        assert house.store.key("first").active is not None
        assert house.create("second").active is not None

    def test_a_pair_that_was_generated_here(self, house: House) -> None:
        house.create("first")
        with pytest.raises(PairInUse):
            house.lifecycle.adopt(ADMIN, asked("second"), PairSelector(label="first-v1"))

    @pytest.mark.parametrize("verb", ["find_key", "sign", "has_key"])
    @pytest.mark.parametrize(
        "error", [TokenUnavailable(token="one"), DeadlineExceeded(token="one")], ids=lambda e: e.code
    )
    def test_a_token_that_goes_away_leaves_no_trace_of_an_adoption(
        self, house: House, tokens: MemoryTokens, verb: str, error: TokenError
    ) -> None:
        tokens.put(some_pair())

        def fail_once_recorded() -> None:
            if house.store.all_keys():
                raise error

        with tokens.at(verb, fail_once_recorded):
            if verb == "has_key":
                # Who holds the pair is found out later; it signed, so it is there.
                assert house.lifecycle.adopt(ADMIN, asked(), SELECTORS["by label"]).key.active is not None
                return
            with pytest.raises(type(error)):
                house.lifecycle.adopt(ADMIN, asked(), SELECTORS["by label"])
        assert house.states() == [VersionState.DESTROYED]
        assert_name_is_free(house)

    def test_a_pair_that_is_exchanged_meanwhile(self, house: House, tokens: MemoryTokens) -> None:
        tokens.put(some_pair())
        lookups: list[None] = []

        def exchange() -> None:
            lookups.append(None)
            if len(lookups) == 2:
                tokens.remove(b"\xab\xcd")
                tokens.put(some_pair(key_id=b"\x55"))

        with tokens.at("find_key", exchange), pytest.raises((KeyNotInToken, PairNotSuitable)):
            house.lifecycle.adopt(ADMIN, asked(), SELECTORS["by label"])
        assert house.states() == [VersionState.DESTROYED]
