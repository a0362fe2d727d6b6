"""Batches in slices: bounded by number and by time, each on record by itself, and none begun for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from hsm.errors import TokenUnavailable
from signer.domain.keys import Validity
from signer.domain.requests import Signature, SigningRequest
from signer.errors import AccessDenied, RecorderUnavailable, ServiceBusy, SignatureLimitReached
from signer.services.batch_signing import AT_ONCE, FIRST, MOST, TOKEN_SECONDS, BatchSigning, Pace
from signer.services.signing_calls import Result, SigningCall
from tests.support.house import KEY, READER, SIGNER, House, new_request
from tests.support.memory_tokens import MemoryTokens


class Slow:
    """In the place of ``ArtifactSigning``: each item takes its time, on a clock of its own."""

    def __init__(self, seconds: float = 0.0, outcome: Any = None) -> None:
        self.seconds = seconds
        self.outcome = outcome
        self.now = 0.0
        self.sizes: list[int] = []
        self.under_way = 0
        self.most = 0

    def clock(self) -> float:
        return self.now

    async def sign_many(self, calls: Sequence[SigningCall]) -> list[Result]:
        self.sizes.append(len(calls))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.now += self.seconds * len(calls)
        self.under_way -= 1
        return [self.outcome or SignatureLimitReached(key=KEY, version=1, limit=1) for _ in calls]


def batches(slow: Slow) -> BatchSigning:
    return BatchSigning(signing=slow, monotonic=slow.clock)  # type: ignore[arg-type]


def call(request: SigningRequest) -> SigningCall:
    return SigningCall(identity=SIGNER, key=KEY, request=request)


async def sizes(made: BatchSigning, count: int) -> list[int]:
    return [len(each) async for each in made.slices(KEY, [new_request()] * count, call)]


class TestSlices:
    def test_have_64_items_at_most(self) -> None:
        slow = Slow()
        assert asyncio.run(sizes(batches(slow), 1000)) == slow.sizes
        assert sum(slow.sizes) == 1000
        assert max(slow.sizes) == MOST
        assert slow.sizes[0] == FIRST, "nothing is known of the token yet"

    def test_take_a_second_of_a_slow_token(self) -> None:
        slow = Slow(seconds=0.1)
        asyncio.run(sizes(batches(slow), FIRST + 40))
        assert {each * slow.seconds for each in slow.sizes[1:]} == {TOKEN_SECONDS}

    def test_have_one_item_where_that_takes_longer(self) -> None:
        slow = Slow(seconds=3.0)
        asyncio.run(sizes(batches(slow), 30))
        assert slow.sizes[1:] == [1] * (30 - FIRST)

    def test_grow_again_by_and_by(self) -> None:
        pace = Pace()
        pace.took(KEY, 16, 32.0)
        assert pace.size(KEY) == 1
        seen = []
        for _ in range(4):
            pace.took(KEY, pace.size(KEY), 0.001)
            seen.append(pace.size(KEY))
        assert seen == [4, 16, 64, 64]

    def test_of_a_key_say_nothing_of_another(self) -> None:
        pace = Pace()
        pace.took(KEY, 16, 32.0)
        assert pace.size("another") == FIRST

    def test_of_all_batches_are_a_few_at_once(self) -> None:
        slow = Slow()

        async def many() -> None:
            made = batches(slow)
            await asyncio.gather(*(sizes(made, 100) for _ in range(10)))

        asyncio.run(many())
        assert slow.most == AT_ONCE

    def test_are_not_begun_after_one_that_the_service_failed_at(self) -> None:
        for error in (TokenUnavailable(token="one", reason="gone"), RecorderUnavailable(), ServiceBusy()):
            slow = Slow(outcome=error)
            assert sum(asyncio.run(sizes(batches(slow), 500))) == 500, "each has its answer"
            assert slow.sizes == [FIRST]

    def test_are_begun_after_one_whose_items_were_refused(self) -> None:
        slow = Slow(outcome=SignatureLimitReached(key=KEY, version=1, limit=1))
        asyncio.run(sizes(batches(slow), 100))
        assert sum(slow.sizes) == 100


def outcomes(house: House, requests: Sequence[SigningRequest], who: Any = SIGNER) -> list[Result]:
    async def collect() -> list[Result]:
        def ask(request: SigningRequest) -> SigningCall:
            return SigningCall(identity=who, key=KEY, request=request)

        slices = house.application.batch_signing.slices(KEY, requests, ask)
        return [outcome async for part in slices for outcome in part]

    return house.loop.run(collect())


class TestOnRecord:
    def test_each_slice_is_recorded_by_itself(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        house.create()
        recorded, real = [], house.parts.recorder.record_many

        async def record_many(entries: Any, *, deadline: float) -> Any:
            recorded.append(len(entries))
            return await real(entries, deadline=deadline)

        monkeypatch.setattr(house.parts.recorder, "record_many", record_many)
        found = outcomes(house, [new_request() for _ in range(40)])
        assert [type(each) for each in found] == [Signature] * 40
        assert recorded[0] == FIRST
        assert sum(recorded) == 40

    def test_again_it_finds_what_was_recorded(self, house: House) -> None:
        house.create()
        requests = [new_request() for _ in range(20)]
        assert outcomes(house, requests) == outcomes(house, requests)
        assert house.version().signature_count == 20

    def test_the_same_twice_has_one_signature_in_whatever_slice(self, house: House) -> None:
        house.create()
        once = new_request()
        found = outcomes(house, [once, *[new_request() for _ in range(FIRST + 3)], once, once])
        assert len({each.encoded for each in (found[0], *found[-2:]) if isinstance(each, Signature)}) == 1
        assert house.version().signature_count == len(found) - 2

    def test_a_limit_that_is_reached_in_the_middle_refuses_what_follows(self, house: House) -> None:
        house.create(validity=Validity(signature_limit=20))
        found = outcomes(house, [new_request() for _ in range(30)])
        assert [type(each) for each in found] == [Signature] * 20 + [SignatureLimitReached] * 10

    def test_a_token_that_goes_in_the_middle_leaves_what_was_signed(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        asked: list[None] = []

        def gone() -> None:
            asked.append(None)
            if len(asked) > FIRST:
                raise TokenUnavailable(token="one", reason="gone")

        with tokens.at("sign", gone):
            found = outcomes(house, [new_request() for _ in range(200)])
        assert [type(each) for each in found] == [Signature] * FIRST + [TokenUnavailable] * (200 - FIRST)
        assert house.version().signature_count == FIRST
        assert len(asked) < 200, "the rest was not tried"

    def test_who_may_not_is_refused_for_each(self, house: House) -> None:
        house.create()
        assert {type(each) for each in outcomes(house, [new_request() for _ in range(3)], READER)} == {AccessDenied}
