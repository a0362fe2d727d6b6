"""Signatures: who gets one, from which version, and why not."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta

import pytest

from hsm.errors import DeadlineExceeded, TokenFull, TokenUnavailable
from signer.domain.identity import Identity
from signer.domain.keys import Purpose, Validity
from signer.domain.keys import VersionState as S
from signer.errors import (
    AccessDenied,
    ClockMovedBack,
    CreationUnfinished,
    CredentialsRejected,
    KeyNotFound,
    NoActiveVersion,
    SignatureLimitReached,
    SignerError,
    VersionExpired,
    VersionNotYetValid,
)
from tests.support.clock import START, ManualClock
from tests.support.house import ADMIN, KEY, MANIFEST, READER, REQUEST, SIGNER, House
from tests.support.in_process import KnownIdentities
from tests.support.memory_tokens import MemoryTokens, verify
from tests.support.records import swap

from .conftest import OpenHouse
from .steps import assert_nobody_asks_the_token, sign

DAY = timedelta(days=1)


class TestSignature:
    @pytest.mark.parametrize("who", [ADMIN, SIGNER], ids=lambda who: who.role)
    def test_it_verifies_and_says_who_made_it(self, house: House, who: Identity) -> None:
        version = house.create().version(1)
        signature = sign(house, who, request=REQUEST)
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

    def test_it_is_counted_when_the_token_has_signed_and_before_it_leaves(
        self, house: House, tokens: MemoryTokens
    ) -> None:
        house.create()
        seen: list[int] = []
        with tokens.at("sign", lambda: seen.append(house.version().signature_count), after=True):
            sign(house)
        assert (seen, house.version().signature_count) == ([0], 1)

    def test_another_token_signs_where_one_does_not_answer(self, pair_house: House, two_tokens: MemoryTokens) -> None:
        two_tokens.copy(pair_house.create().version(1).cka_id, target="two")
        with two_tokens.failing("sign", TokenUnavailable(token="one")):
            assert sign(pair_house).version == 1


class TestAccess:
    def test_a_reader_is_denied(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        with assert_nobody_asks_the_token(tokens), pytest.raises(AccessDenied) as refusal:
            sign(house, READER)
        reason = f"no rule lets {READER.name} sign with the key {KEY}"
        assert (refusal.value.identity, refusal.value.reason) == (READER.name, reason)
        assert house.version().signature_count == 0

    def test_a_reader_is_denied_also_when_the_key_is_remembered(self, house: House) -> None:
        house.create()
        sign(house)
        for _ in range(2):
            with pytest.raises(AccessDenied):
                house.authorise(READER)

    def test_whose_token_was_revoked_just_after_it_was_looked_up_is_asked_for_it_again(self, house: House) -> None:
        house.create()
        sign(house)
        identities = house.parts.identities
        assert isinstance(identities, KnownIdentities)
        identities.doubted.add(SIGNER.name)
        assert house.authorise(SIGNER) == house.store.access_revision()
        identities.revoked.add(SIGNER.name)
        with pytest.raises(CredentialsRejected):
            house.authorise(SIGNER)

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
        with tokens.failing("generate", DeadlineExceeded(token="one")), pytest.raises(CreationUnfinished):
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
        house.authorise(SIGNER)
    count = house.version().signature_count
    if row.error is SignatureLimitReached:
        # The recorder counts, so the first who comes too late finds out by a signature that is dropped.
        with pytest.raises(row.error):
            sign(house)
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
        signature = sign(first, request=REQUEST)
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
        with tokens.failing("generate", DeadlineExceeded(token="one")), pytest.raises(CreationUnfinished):
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
        with pytest.raises(ClockMovedBack):
            sign(house)
        with assert_nobody_asks_the_token(tokens), pytest.raises(ClockMovedBack) as refusal:
            sign(house)
        assert refusal.value.facts == {"now": clock.now, "newest": newest}
        assert house.version().signature_count == 2
