"""Many signatures at once, and one as a batch of one: decided, signed, recorded, and only then released."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from hsm.errors import TokenBusy
from signer.domain.identity import Identity, Role
from signer.domain.keys import Validity
from signer.domain.records import Outcome, SignatureEntry
from signer.domain.requests import HeadSeen, ManifestSeen, Signature, SigningRequest
from signer.errors import (
    AccessDenied,
    CredentialsRejected,
    KeyNotFound,
    NoActiveVersion,
    RecorderUnavailable,
    ServiceBusy,
    SignatureLimitReached,
    SignerError,
)
from signer.services.artifact_signing import ROUNDS, ArtifactSigning
from signer.services.signing_calls import Job, SigningCall
from tests.signer.domain.test_records import header
from tests.support.house import ADMIN, KEY, READER, REQUEST, SIGNER, House, new_request
from tests.support.in_process import KnownIdentities
from tests.support.memory_tokens import MemoryTokens, verify
from tests.support.records import event, new_key, new_version

from .conftest import OpenHouse
from .steps import assert_nobody_asks_the_token, sign

OTHER = Identity(name="api-token:other", role=Role.SIGNER)
Recording = Callable[[Sequence[SignatureEntry]], Awaitable[list[Outcome | SignerError]]]


def call(request: SigningRequest | None = None, who: Identity = SIGNER, key: str = KEY, **options: Any) -> SigningCall:
    return SigningCall(identity=who, key=key, request=request or new_request(), **options)


def seen_head(request: ManifestSeen = REQUEST) -> HeadSeen:
    return HeadSeen(manifest=request.manifest, header=header(), findings=frozenset())


@contextmanager
def counted(tokens: MemoryTokens) -> Iterator[list[None]]:
    """A list that grows with each signature of the token."""
    asked: list[None] = []
    with tokens.at("sign", lambda: asked.append(None)):
        yield asked


@contextmanager
def recorder(house: House, step: Callable[[Sequence[SignatureEntry], Recording], Awaitable[Any]]) -> Iterator[None]:
    """Puts ``step`` between the signatures and the recorder."""
    real = house.parts.recorder.record_many

    async def record_many(entries: Sequence[SignatureEntry], *, deadline: float) -> Any:
        async def go_on(posted: Sequence[SignatureEntry]) -> list[Outcome | SignerError]:
            return await real(posted, deadline=deadline)

        return await step(entries, go_on)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.parts.recorder, "record_many", record_many)
        yield


class TestBatches:
    def test_each_call_has_its_own_outcome_in_order(self, house: House) -> None:
        spki = house.create().version(1).spki
        first, second = new_request(), new_request()
        outcomes = house.sign_many(
            [call(first), call(who=READER), call(key="nothing"), call(second), call(key="Firmware")]
        )
        assert [type(each) for each in outcomes] == [Signature, AccessDenied, KeyNotFound, Signature, KeyNotFound]
        for request, outcome in ((first, outcomes[0]), (second, outcomes[3])):
            assert isinstance(outcome, Signature)
            verify(spki or b"", outcome.raw, request.manifest.raw)

    def test_nothing_is_asked_for_nothing(self, house: House, tokens: MemoryTokens) -> None:
        with assert_nobody_asks_the_token(tokens):
            assert house.sign_many([]) == []

    def test_all_go_to_the_recorder_together(self, house: House) -> None:
        house.create()
        sizes = []

        async def count(entries: Sequence[SignatureEntry], go_on: Recording) -> Any:
            sizes.append(len(entries))
            return await go_on(entries)

        with recorder(house, count):
            house.sign_many([call() for _ in range(20)])
        assert sizes == [20]

    def test_the_limit_counts_what_was_released(self, house: House) -> None:
        house.create(validity=Validity(signature_limit=7))
        outcomes = house.sign_many([call() for _ in range(10)])
        assert Counter(type(each) for each in outcomes) == {Signature: 7, SignatureLimitReached: 3}
        assert house.version().signature_count == 7

    def test_one_that_the_token_refuses_costs_no_other(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        turns: list[None] = []

        def every_third() -> None:
            turns.append(None)
            if len(turns) % 3 == 0:
                raise TokenBusy(token="one")

        with tokens.at("sign", every_third):
            outcomes = house.sign_many([call() for _ in range(9)])
        assert Counter(type(each) for each in outcomes) == {Signature: 6, TokenBusy: 3}
        assert house.version().signature_count == 6


class TestOnRecord:
    """One manifest has one signature per version, whoever asks, and however often."""

    def test_the_same_again_is_the_same_signature_without_the_token(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        first = sign(house, request=REQUEST)
        for who in (SIGNER, ADMIN, OTHER):
            with assert_nobody_asks_the_token(tokens):
                assert sign(house, who, request=REQUEST) == first
        assert house.version().signature_count == 1

    def test_who_sees_more_gets_it_too(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        first = sign(house, request=REQUEST)
        with assert_nobody_asks_the_token(tokens):
            again = sign(house, request=seen_head())
        # The same signature, with the record that shows more of what it is for.
        assert (again.raw, again.index > first.index) == (first.raw, True)

    def test_the_same_in_one_batch_is_signed_once(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        with counted(tokens) as asked:
            outcomes = house.sign_many([call(REQUEST), call(seen_head()), call(REQUEST, OTHER), call(REQUEST)])
        assert len({each.encoded for each in outcomes if isinstance(each, Signature)}) == len(asked) == 1
        assert all(isinstance(each, Signature) for each in outcomes)

    def test_what_another_worker_recorded_first_is_what_leaves(self, open_worker: OpenHouse) -> None:
        tokens = MemoryTokens("one")
        first, second = open_worker(tokens), open_worker(tokens)
        first.create()
        theirs = []

        async def late(entries: Sequence[SignatureEntry], go_on: Recording) -> Any:
            if not theirs:
                theirs.append(second.sign(SIGNER, request=REQUEST))
            return await go_on(entries)

        with recorder(first, late):
            assert sign(first, request=REQUEST) == theirs[0]
        assert first.version().signature_count == 1

    def test_at_its_limit_a_version_still_answers_what_is_on_record(self, house: House) -> None:
        house.create(validity=Validity(signature_limit=1))
        first = sign(house, request=REQUEST)
        for _ in range(2):
            with pytest.raises(SignatureLimitReached):
                sign(house)
            assert sign(house, request=REQUEST) == first

    def test_a_version_that_stopped_answers_nothing(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        sign(house, request=REQUEST)
        house.lifecycle.disable(ADMIN, KEY, 1)
        with assert_nobody_asks_the_token(tokens), pytest.raises(NoActiveVersion):
            sign(house, request=REQUEST)

    def test_the_next_version_makes_its_own(self, house: House) -> None:
        house.create()
        first = sign(house, request=REQUEST)
        house.prepare()
        house.rotate()
        assert sign(house, request=REQUEST).encoded != first.encoded

    def test_who_may_not_ask_gets_nothing_on_record(self, house: House) -> None:
        house.create()
        sign(house, request=REQUEST)
        with pytest.raises(AccessDenied):
            sign(house, READER, request=REQUEST)


class TestRelease:
    """Nothing leaves before it is on record."""

    def test_without_an_answer_of_the_recorder(self, house: House) -> None:
        house.create()

        async def recorded_and_lost(entries: Sequence[SignatureEntry], go_on: Recording) -> Any:
            await go_on(entries)
            return [RecorderUnavailable()] * len(entries)

        with recorder(house, recorded_and_lost), pytest.raises(RecorderUnavailable):
            sign(house, request=REQUEST)
        assert house.version().signature_count == 1
        sign(house, request=REQUEST)
        assert house.version().signature_count == 1

    def test_one_entry_is_not_another_s(self, house: House) -> None:
        house.create()

        async def every_other(entries: Sequence[SignatureEntry], go_on: Recording) -> Any:
            answers = await go_on(entries[::2])
            lost: list[Any] = [RecorderUnavailable()] * len(entries)
            lost[::2] = answers
            return lost

        with recorder(house, every_other):
            outcomes = house.sign_many([call() for _ in range(6)])
        assert [type(each) for each in outcomes] == [Signature, RecorderUnavailable] * 3
        assert house.version().signature_count == 3


class TestChangesMeanwhile:
    """What was decided under a revision that has passed is decided again."""

    @staticmethod
    @contextmanager
    def _changes(house: House, change: Callable[[int], object], times: int) -> Iterator[list[int]]:
        turns: list[int] = []

        async def change_first(entries: Sequence[SignatureEntry], go_on: Recording) -> Any:
            turns.append(len(entries))
            if len(turns) <= times:
                change(len(turns))
            return await go_on(entries)

        with recorder(house, change_first):
            yield turns

    @staticmethod
    def _add(house: House) -> Callable[[int], object]:
        return lambda turn: house.store.add_key(new_key(f"other-{turn}"), new_version(), event())

    @pytest.mark.parametrize("times", [1, 2, ROUNDS - 1])
    def test_a_change_elsewhere_costs_a_turn_and_no_signature(
        self, house: House, tokens: MemoryTokens, times: int
    ) -> None:
        house.create()
        with (
            self._changes(house, self._add(house), times) as turns,
            counted(tokens) as asked,
        ):
            assert sign(house).version == 1
        assert (len(turns), len(asked)) == (times + 1, 1)
        assert house.version().signature_count == 1

    @pytest.mark.parametrize("times", [0, 2])
    def test_nothing_is_decided_again_that_has_its_result(
        self, house: House, monkeypatch: pytest.MonkeyPatch, times: int
    ) -> None:
        house.create()
        decided: list[int] = []
        round_of = ArtifactSigning._round

        async def counted_round(signing: ArtifactSigning, jobs: Sequence[Job], *rest: Any) -> None:
            decided.append(len(jobs))
            await round_of(signing, jobs, *rest)

        monkeypatch.setattr(ArtifactSigning, "_round", counted_round)
        with self._changes(house, self._add(house), times):
            house.sign_many([call(), call(), call(key="nothing")])
        assert decided == [3, *[2] * times]

    def test_what_changes_all_the_time_is_asked_to_come_again(self, house: House) -> None:
        house.create()
        with self._changes(house, self._add(house), ROUNDS), pytest.raises(ServiceBusy):
            sign(house)
        assert house.version().signature_count == 0
        assert sign(house).version == 1

    def test_a_rotation_has_it_signed_anew(self, house: House) -> None:
        house.create()
        new = house.prepare().version(2)
        with self._changes(house, lambda _: house.rotate(), 1):
            signature = sign(house, request=REQUEST)
        assert signature.version == 2
        verify(new.spki or b"", signature.raw, REQUEST.manifest.raw)
        assert [version.signature_count for version in house.store.key(KEY).versions] == [0, 1]

    def test_a_version_that_is_switched_off_signs_nothing(self, house: House) -> None:
        house.create()
        with (
            self._changes(house, lambda _: house.lifecycle.disable(ADMIN, KEY, 1), 1),
            pytest.raises(NoActiveVersion),
        ):
            sign(house)
        assert house.version().signature_count == 0

    def test_whose_credential_was_taken_away_gets_nothing(self, house: House) -> None:
        house.create()
        identities = house.parts.identities
        assert isinstance(identities, KnownIdentities)
        revision = house.authorise(SIGNER)

        def revoke(_: int) -> None:
            identities.revoked.add(SIGNER.name)
            house.create("other")

        with self._changes(house, revoke, 1), pytest.raises(CredentialsRejected):
            house.sign(SIGNER, request=REQUEST, access_revision=revision)
        assert house.version().signature_count == 0

    def test_credentials_are_looked_up_again_after_a_change(self, house: House) -> None:
        house.create()
        identities = house.parts.identities
        assert isinstance(identities, KnownIdentities)
        sign(house)
        before = identities.forgotten
        sign(house)
        assert identities.forgotten == before
        house.create("other")
        sign(house)
        assert identities.forgotten > before


def test_the_request_is_named_in_its_record(house: House) -> None:
    house.create()
    seen: list[SignatureEntry] = []

    async def look(entries: Sequence[SignatureEntry], go_on: Recording) -> Any:
        seen.extend(entries)
        return await go_on(entries)

    with recorder(house, look):
        house.sign_many([call(seen_head(), request_id="abc123")])
    (entry,) = seen
    assert (entry.request_id, entry.identity, entry.rule) == ("abc123", SIGNER.name, "role-signer")
    assert entry.seen["artifact"] == "release-1"
