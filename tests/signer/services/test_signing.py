"""Signatures: who gets one, from which version, and why not."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import text

from hsm.errors import DeadlineExceeded, TokenBusy, TokenError, TokenFull, TokenUnavailable
from hsm.errors import KeyNotFound as KeyNotInToken
from signer.domain.events import EventType as E
from signer.domain.identity import Identity
from signer.domain.keys import Purpose, Validity
from signer.domain.keys import VersionState as S
from signer.domain.requests import Signature
from signer.errors import (
    AccessDenied,
    ClockMovedBack,
    DatabaseUnavailable,
    KeyNotFound,
    NoActiveVersion,
    SignatureLimitReached,
    SignerError,
    VersionExpired,
    VersionNotYetValid,
    VersionQuarantined,
)
from tests.support.clock import START, ManualClock
from tests.support.crowd import in_threads
from tests.support.house import ADMIN, KEY, MANIFEST, READER, REQUEST, SIGNER, House
from tests.support.memory_tokens import MemoryTokens, verify
from tests.support.records import swap

OpenHouse = Callable[..., House]
DAY = timedelta(days=1)


def sign(house: House, who: Identity = SIGNER, name: str = KEY) -> Signature:
    return house.signing.sign(who, name, REQUEST)


def assert_nobody_asks_the_token(tokens: MemoryTokens) -> AbstractContextManager[None]:
    def asked() -> None:
        pytest.fail("the token was asked")

    return tokens.at("sign", asked)


class TestSignature:
    @pytest.mark.parametrize("who", [ADMIN, SIGNER], ids=lambda who: who.role)
    def test_it_verifies_and_says_who_made_it(self, house: House, who: Identity) -> None:
        version = house.create().version(1)
        signature = sign(house, who)
        assert version.spki is not None
        verify(version.spki, signature.raw, MANIFEST.raw)
        assert base64.b64decode(signature.encoded, validate=True) == signature.raw
        assert (signature.key, signature.version, signature.algorithm) == (KEY, 1, "ecdsa-p256")
        assert signature.fingerprint == version.fingerprint

    def test_it_is_counted_and_dated(self, house: House, clock: ManualClock) -> None:
        house.create()
        for _ in range(3):
            moment = clock.advance(seconds=1)
            sign(house)
        assert (house.version().signature_count, house.version().last_signed_at) == (3, moment)

    def test_it_leaves_no_event(self, house: House) -> None:
        house.create()
        before = house.events()
        sign(house)
        assert house.events() == before

    def test_it_is_counted_before_the_token_is_asked(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        seen: list[int] = []
        with tokens.at("sign", lambda: seen.append(house.version().signature_count)):
            sign(house)
        assert seen == [1]

    def test_another_token_signs_where_one_does_not_answer(self, pair_house: House, two_tokens: MemoryTokens) -> None:
        two_tokens.copy(pair_house.create().version(1).cka_id, target="two")
        with two_tokens.failing("sign", TokenUnavailable(token="one")):
            assert sign(pair_house).version == 1


class TestAccess:
    def test_a_reader_is_denied(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        with assert_nobody_asks_the_token(tokens), pytest.raises(AccessDenied) as refusal:
            sign(house, READER)
        assert refusal.value.facts == {"identity": READER.name, "reason": "the role reader may not sign"}
        assert house.version().signature_count == 0

    def test_a_reader_is_denied_also_when_the_key_is_remembered(self, house: House) -> None:
        house.create()
        sign(house)
        for _ in range(2):
            with pytest.raises(AccessDenied):
                house.signing.authorise(READER, KEY)

    @pytest.mark.parametrize("who", [ADMIN, SIGNER], ids=lambda who: who.role)
    @pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.ARTIFACT}))
    def test_a_key_of_another_purpose_signs_no_artifact(
        self, house: House, tokens: MemoryTokens, purpose: Purpose, who: Identity
    ) -> None:
        house.create(purpose=Purpose(purpose))
        with (
            assert_nobody_asks_the_token(tokens),
            pytest.raises(AccessDenied, match="only artifact keys sign artifacts"),
        ):
            sign(house, who)
        assert house.version().signature_count == 0

    @pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.ARTIFACT}))
    def test_a_name_that_passed_to_another_purpose_meanwhile_signs_no_artifact(
        self, open_worker: OpenHouse, tokens: MemoryTokens, purpose: Purpose
    ) -> None:
        first, second = open_worker(tokens), open_worker(tokens)
        with tokens.failing("generate", TokenUnavailable(token="one")), pytest.raises(TokenUnavailable):
            first.create()
        with pytest.raises(NoActiveVersion):
            sign(first)
        key = second.store.key(KEY)
        second.store.change(key, [swap(key.versions[0], S.DESTROYED)], [])
        second.create(purpose=Purpose(purpose))
        with (
            assert_nobody_asks_the_token(tokens),
            pytest.raises(AccessDenied, match="only artifact keys sign artifacts"),
        ):
            sign(first)
        assert first.version().signature_count == 0

    def test_a_name_that_passed_to_an_artifact_key_meanwhile_signs(
        self, open_worker: OpenHouse, tokens: MemoryTokens
    ) -> None:
        first, second = open_worker(tokens), open_worker(tokens)
        with tokens.failing("generate", TokenFull(token="one")), pytest.raises(TokenFull):
            first.create(purpose=Purpose.LOG)
        with pytest.raises(AccessDenied):
            sign(first)
        second.create()
        assert sign(first).version == 1

    @pytest.mark.parametrize("name", ["nothing", "", "../firmware", "Firmware"])
    def test_a_key_that_is_not_there(self, house: House, name: str) -> None:
        house.create()
        with pytest.raises(KeyNotFound):
            sign(house, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    validity: Validity
    error: type[SignerError]
    fact: dict[str, object]


REFUSALS = {
    "before not-before": Refusal(
        validity=Validity(not_before=START + DAY), error=VersionNotYetValid, fact={"not_before": START + DAY}
    ),
    "after not-after": Refusal(
        validity=Validity(not_after=START - DAY), error=VersionExpired, fact={"not_after": START - DAY}
    ),
    "at its limit": Refusal(validity=Validity(signature_limit=2), error=SignatureLimitReached, fact={"limit": 2}),
}


@pytest.mark.parametrize("remembered", [False, True], ids=["fresh", "remembered"])
@pytest.mark.parametrize("sentence", REFUSALS)
def test_a_version_past_its_bounds_refuses_with_its_own_code(
    house: House, tokens: MemoryTokens, clock: ManualClock, sentence: str, remembered: bool
) -> None:
    row = REFUSALS[sentence]
    house.create(validity=row.validity)
    if row.error is SignatureLimitReached:
        sign(house)
        sign(house)
    elif remembered:
        house.signing.authorise(SIGNER, KEY)
    count = house.version().signature_count
    with assert_nobody_asks_the_token(tokens), pytest.raises(row.error) as refusal:
        sign(house)
    assert refusal.value.facts == {"key": KEY, "version": 1, **row.fact}
    assert house.version().signature_count == count


def test_the_three_refusals_have_codes_of_their_own() -> None:
    assert {row.error.code for row in REFUSALS.values()} == {
        "version-not-yet-valid",
        "version-expired",
        "signature-limit-reached",
    }


class TestStates:
    """What another worker did counts at once, whatever this one remembers."""

    def test_a_rotation_under_a_remembered_record(self, open_worker: OpenHouse, tokens: MemoryTokens) -> None:
        first, second = open_worker(tokens), open_worker(tokens)
        first.create()
        assert sign(first).version == 1
        new = second.prepare().version(2)
        assert sign(first).version == 1
        second.rotate()
        signature = sign(first)
        assert (signature.version, signature.fingerprint) == (2, new.fingerprint)
        assert new.spki is not None
        verify(new.spki, signature.raw, MANIFEST.raw)
        assert [version.signature_count for version in first.store.key(KEY).versions] == [2, 1]

    def test_a_version_that_was_disabled(self, open_worker: OpenHouse, tokens: MemoryTokens) -> None:
        first, second = open_worker(tokens), open_worker(tokens)
        first.create()
        sign(first)
        second.lifecycle.disable(ADMIN, KEY, 1)
        with assert_nobody_asks_the_token(tokens), pytest.raises(NoActiveVersion) as refusal:
            sign(first)
        assert refusal.value.facts == {"key": KEY}

    def test_a_version_that_came_back(self, open_worker: OpenHouse, tokens: MemoryTokens) -> None:
        first, second = open_worker(tokens), open_worker(tokens)
        first.create()
        first.lifecycle.disable(ADMIN, KEY, 1)
        with pytest.raises(NoActiveVersion):
            sign(first)
        second.lifecycle.enable(ADMIN, KEY, 1)
        assert sign(first).version == 1

    def test_a_key_that_was_made_meanwhile(self, open_worker: OpenHouse, tokens: MemoryTokens) -> None:
        first, second = open_worker(tokens), open_worker(tokens)
        with pytest.raises(KeyNotFound):
            sign(first)
        second.create()
        assert sign(first).version == 1

    def test_a_pending_version_does_not_sign(self, house: House, tokens: MemoryTokens) -> None:
        with tokens.failing("generate", TokenUnavailable(token="one"), after=True), pytest.raises(TokenUnavailable):
            house.create()
        with assert_nobody_asks_the_token(tokens), pytest.raises(NoActiveVersion):
            sign(house)

    def test_a_next_version_does_not_sign(self, house: House) -> None:
        house.create()
        house.prepare()
        house.lifecycle.disable(ADMIN, KEY, 1)
        with pytest.raises(NoActiveVersion):
            sign(house)

    def test_the_clock_moved_back(self, house: House, tokens: MemoryTokens, clock: ManualClock) -> None:
        house.create()
        newest = clock.advance(days=1)
        sign(house)
        clock.advance(seconds=-5)
        sign(house)
        clock.advance(seconds=-1)
        with assert_nobody_asks_the_token(tokens), pytest.raises(ClockMovedBack) as refusal:
            sign(house)
        assert refusal.value.facts == {"now": clock.now, "newest": newest}
        assert house.version().signature_count == 2


FAILURES: dict[str, TokenError] = {
    "it is gone": TokenUnavailable(token="one"),
    "it is busy": TokenBusy(token="one"),
    "it hangs": DeadlineExceeded(token="one"),
    "it lost the key": KeyNotInToken(token="one"),
}


class TestTokenTrouble:
    @pytest.mark.parametrize("sentence", FAILURES)
    def test_a_reservation_is_given_back(self, house: House, tokens: MemoryTokens, sentence: str) -> None:
        error = FAILURES[sentence]
        house.create(validity=Validity(signature_limit=1))
        with tokens.failing("sign", error):
            for _ in range(3):
                with pytest.raises(type(error)):
                    sign(house)
        assert (house.version().signature_count, house.version().state) == (0, S.ACTIVE)
        assert sign(house).version == 1

    def test_a_reservation_is_given_back_after_an_error_that_nobody_foresaw(
        self, house: House, tokens: MemoryTokens
    ) -> None:
        house.create()

        def crash() -> None:
            raise MemoryError

        with tokens.at("sign", crash), pytest.raises(MemoryError):
            sign(house)
        assert house.version().signature_count == 0

    @pytest.mark.parametrize("shown", [True, False], ids=["shown", "found out by its signature"])
    def test_another_key_in_the_token_ends_in_quarantine(self, house: House, tokens: MemoryTokens, shown: bool) -> None:
        key = house.create()
        house.signing.authorise(SIGNER, KEY)
        before = house.last_event
        exchange(tokens, key.version(1).cka_id, shown=shown)
        with pytest.raises(VersionQuarantined) as refusal:
            sign(house)
        assert refusal.value.facts == {"key": KEY, "version": 1}
        assert (house.version().state, house.version().signature_count) == (S.QUARANTINED, 0)
        (event,) = (item.event for item in house.events(after=before))
        assert (event.type, event.actor, event.version) == (E.VERSION_QUARANTINED, "artifact-signer", 1)
        assert (event.before, event.after) == ({"state": "active"}, {"state": "quarantined"})
        with assert_nobody_asks_the_token(tokens), pytest.raises(VersionQuarantined):
            sign(house)

    def test_what_was_quarantined_is_still_published(self, house: House, tokens: MemoryTokens) -> None:
        key = house.create()
        exchange(tokens, key.version(1).cka_id)
        with pytest.raises(VersionQuarantined):
            sign(house)
        assert [version.number for version in house.store.key(KEY).trusted] == [1]

    def test_the_other_workers_stop_too(self, open_worker: OpenHouse, tokens: MemoryTokens) -> None:
        first, second = open_worker(tokens), open_worker(tokens)
        key = first.create()
        for worker in (first, second):
            sign(worker)
        exchange(tokens, key.version(1).cka_id)
        with pytest.raises(VersionQuarantined):
            sign(first)
        with assert_nobody_asks_the_token(tokens), pytest.raises(VersionQuarantined):
            sign(second)

    def test_many_who_see_it_leave_one_event(self, house: House, tokens: MemoryTokens) -> None:
        key = house.create()
        sign(house)
        exchange(tokens, key.version(1).cka_id)

        def attempt(_: int) -> str:
            try:
                sign(house)
            except VersionQuarantined as error:
                return error.code
            return "signed"

        assert Counter(in_threads(8, attempt)) == {"version-quarantined": 8}
        assert house.event_types().count(E.VERSION_QUARANTINED) == 1
        assert house.version().signature_count == 1

    def test_no_signature_leaves_where_the_quarantine_cannot_be_recorded(
        self, house: House, tokens: MemoryTokens, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = house.create()
        exchange(tokens, key.version(1).cka_id)
        with monkeypatch.context() as patched:
            patched.setattr(house.store, "change", _unavailable)
            with pytest.raises(DatabaseUnavailable):
                sign(house)
        with pytest.raises(VersionQuarantined):
            sign(house)
        assert house.version().state is S.QUARANTINED


def exchange(tokens: MemoryTokens, key_id: bytes, *, shown: bool = True) -> None:
    """Another key in the place of this one, with its own public half or without any."""
    tokens.substitute(key_id)
    if not shown:
        tokens.substitute(key_id, spki=None)


def _unavailable(*_: object) -> None:
    raise DatabaseUnavailable


def test_no_database_no_signature(house: House, tokens: MemoryTokens) -> None:
    house.create()
    sign(house)
    with house.database.writing() as connection:
        connection.execute(text("ALTER TABLE key_versions RENAME TO gone"))
    with assert_nobody_asks_the_token(tokens), pytest.raises(DatabaseUnavailable):
        sign(house)


class TestManyAtOnce:
    def test_the_limit_holds_while_the_token_fails_now_and_then(self, house: House, tokens: MemoryTokens) -> None:
        house.create(validity=Validity(signature_limit=40))
        calls: list[None] = []

        def fail_sometimes() -> None:
            calls.append(None)
            if len(calls) % 3 == 0:
                raise TokenBusy(token="one")

        def work(_: int) -> Counter[str]:
            outcomes: Counter[str] = Counter()
            for _ in range(10):
                try:
                    sign(house)
                    outcomes["signed"] += 1
                except (SignerError, TokenError) as error:
                    outcomes[error.code] += 1
            return outcomes

        with tokens.at("sign", fail_sometimes):
            total = sum(in_threads(8, work), Counter[str]())
        assert house.version().signature_count == total["signed"] <= 40
        assert total.keys() <= {"signed", "token-busy", "signature-limit-reached", "state-changed"}

    def test_a_rotation_in_the_midst_of_signatures_loses_none(
        self, open_worker: OpenHouse, tokens: MemoryTokens
    ) -> None:
        workers = [open_worker(tokens) for _ in range(3)]
        workers[0].create()
        workers[0].prepare()

        def work(number: int) -> list[Signature]:
            if number == 0:
                for _ in range(3):
                    workers[2].rotate()
                    workers[2].prepare()
                return []
            return [sign(workers[number % 2]) for _ in range(15)]

        made = [signature for some in in_threads(5, work) for signature in some]
        spkis = {version.number: version.spki for version in workers[0].store.key(KEY).versions}
        for signature in made:
            verify(spkis[signature.version] or b"", signature.raw, MANIFEST.raw)
        counted = Counter(signature.version for signature in made)
        assert len(made) == 60
        assert {version.number: version.signature_count for version in workers[0].store.key(KEY).versions} == {
            number: counted[number] for number in spkis
        }
