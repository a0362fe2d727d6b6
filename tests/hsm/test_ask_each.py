"""Signatures that are asked for together and come back one by one, without anybody who waits for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import pytest

from hsm import AsyncSigner, SignRequest, TokenPool
from hsm.errors import AlgorithmUnsupported, DeadlineExceeded, KeyNotFound, TokenNotFound, TokenUnavailable
from hsm.types import PinnedKey
from tests.hsm.children import pid_of
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.judging import verify
from tests.hsm.load import GRACE
from tests.hsm.looping import TIMEOUT, all_verify, signing
from tests.hsm.shim import Shim
from tests.hsm.softhsm import SoftHsm
from tests.hsm.test_async_each import numbered
from tests.hsm.twins import Twins
from tests.support.rows import slow_but


class Told:
    """What came of so many requests, and when."""

    def __init__(self, signer: AsyncSigner, asked: Sequence[SignRequest], *, timeout: float = TIMEOUT) -> None:
        self.outcomes: dict[int, bytes | Exception] = {}
        self.unwanted: set[int] = set()
        self._count = len(asked)
        self._changed = asyncio.Event()
        signer.ask_each(asked, timeout=timeout, wanted=lambda number: number not in self.unwanted, settled=self._settle)

    def _settle(self, number: int, outcome: bytes | Exception) -> None:
        assert number not in self.outcomes, "told twice"
        self.outcomes[number] = outcome
        self._changed.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not enough():
                self._changed.clear()
                await self._changed.wait()

    async def all(self) -> list[bytes | Exception]:
        """In order."""
        await self.until(lambda: len(self.outcomes) == self._count)
        return [outcome for _, outcome in sorted(self.outcomes.items())]


async def _idle(pool: TokenPool) -> None:
    async with asyncio.timeout(TIMEOUT):
        while any(client.loop_load for client in pool.clients):
            await asyncio.sleep(0.005)


def together(pool: TokenPool, asked: Sequence[SignRequest], *, timeout: float = TIMEOUT) -> list[bytes | Exception]:
    """What is told, after which nothing is under way."""

    async def ask() -> list[bytes | Exception]:
        async with signing(pool) as signer:
            found = await Told(signer, asked, timeout=timeout).all()
            await _idle(pool)
            return found

    return asyncio.run(ask())


@pytest.mark.parametrize("count", [0, 1, 64, 600])
def test_each_has_the_signature_over_its_own_message(softhsm: SoftHsm, open_pool: OpenPool, count: int) -> None:
    pool = open_pool(softhsm.config)
    key = make_key(pool)
    found = together(pool, numbered(key, count))
    assert len(found) == count
    all_verify(key, found)


def test_each_has_an_outcome_of_its_own(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    key = make_key(pool)
    unknown = PinnedKey(key_id=b"nobody", algorithm=key.algorithm, spki=key.spki)
    asked = [
        SignRequest(key, b"first"),
        SignRequest(unknown, b""),
        SignRequest(key, b"short", prehashed=True),
        SignRequest(key, b"", ("elsewhere",)),
        SignRequest(key, b"last"),
    ]
    found = together(pool, asked)
    assert [type(each) for each in found] == [bytes, KeyNotFound, AlgorithmUnsupported, TokenNotFound, bytes]
    verify(asked[0], found[0])
    verify(asked[4], found[4])


def test_all_end_at_their_deadline_and_kill_nothing(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key, pid = make_key(pool), pid_of(pool)
    shim.say("C_Sign hold")

    async def ask() -> list[bytes | Exception]:
        async with signing(pool) as signer:
            started = time.monotonic()
            late = await Told(signer, numbered(key, 10), timeout=0.3).all()
            assert time.monotonic() - started < 0.3 + GRACE
            assert [type(outcome) for outcome in late] == [DeadlineExceeded] * 10
            shim.say()
            found = await Told(signer, numbered(key, 10)).all()
            await _idle(pool)
            return found

    all_verify(key, [outcome for outcome in asyncio.run(ask()) if isinstance(outcome, bytes)])
    assert pid_of(pool) == pid


def test_who_is_not_wanted_any_more_disturbs_nobody(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    shim.say("C_Sign hold")

    async def ask() -> set[int]:
        async with signing(pool) as signer:
            told = Told(signer, numbered(key, 10))
            await asyncio.sleep(0.05)
            told.unwanted |= {1, 3, 5}
            shim.say()
            await told.until(lambda: {0, 2, 4, 6, 7, 8, 9} <= set(told.outcomes))
            await _idle(pool)
            return {number for number, outcome in told.outcomes.items() if isinstance(outcome, bytes)}

    assert asyncio.run(ask()) == {0, 2, 4, 6, 7, 8, 9}


def test_what_was_unwanted_before_it_went_out_costs_the_token_nothing(twins: Twins) -> None:
    before = twins.first.signed() + twins.second.signed()

    async def ask() -> None:
        async with signing(twins.pool) as signer:
            told = Told(signer, numbered(twins.key, 10))
            told.unwanted |= set(range(8))
            await told.until(lambda: {8, 9} <= set(told.outcomes))
            await _idle(twins.pool)

    asyncio.run(ask())
    assert twins.first.signed() + twins.second.signed() - before == 2


@pytest.mark.parametrize("failure", slow_but({"abort"}, ["abort", "block", "return 0x30"]))
def test_the_other_token_signs_what_one_fails(twins: Twins, failure: str) -> None:
    twins.first.say(f"C_Sign {failure}")
    found = together(twins.pool, numbered(twins.key, 100))
    assert all(isinstance(outcome, bytes) for outcome in found)


def test_what_one_token_holds_back_holds_up_none_of_the_other_s(twins: Twins) -> None:
    twins.first.say("C_Sign hold")

    async def ask() -> list[bytes | Exception]:
        async with signing(twins.pool) as signer:
            told = Told(signer, numbered(twins.key, 10))
            await told.until(lambda: len(told.outcomes) >= 5)
            assert len(told.outcomes) == 5
            twins.first.say()
            return await told.all()

    assert all(isinstance(outcome, bytes) for outcome in asyncio.run(ask()))


def test_who_waits_for_a_token_holds_up_nobody(twins: Twins) -> None:
    """One key is in the first token only, whose process is on its way back."""
    twins.first.say("C_Sign abort")
    (asked,) = numbered(twins.key, 1)
    only_there = SignRequest(twins.key, b"there", (twins.pool.clients[0].config.name,))

    async def ask() -> tuple[bytes | Exception, bytes | Exception]:
        async with signing(twins.pool) as signer:
            told = Told(signer, [only_there, asked])
            await told.until(lambda: 1 in told.outcomes)
            assert 0 not in told.outcomes
            twins.first.say()
            _ = await told.all()
            return told.outcomes[0], told.outcomes[1]

    _, other = asyncio.run(ask())
    assert isinstance(other, bytes)


def test_each_has_its_own_time(twins: Twins) -> None:
    """Half of it with each of two tokens, all of it with the only one that may be asked."""
    twins.first.say("C_Sign hold")
    twins.second.say("C_Sign hold")
    names = tuple(client.config.name for client in twins.pool.clients)
    asked = [SignRequest(twins.key, b"both", names), SignRequest(twins.key, b"one", names[1:])]

    async def ask() -> float:
        async with signing(twins.pool) as signer:
            started = time.monotonic()
            told = Told(signer, asked, timeout=0.4)
            await told.until(lambda: 1 in told.outcomes)
            taken = time.monotonic() - started
            assert isinstance(told.outcomes[1], DeadlineExceeded)
            twins.first.say()
            twins.second.say()
            await told.all()
            return taken

    assert 0.39 < asyncio.run(ask()) < 0.4 + GRACE


def test_closing_ends_all_that_is_under_way(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    shim.say("C_Sign hold")

    async def ask() -> list[bytes | Exception]:
        async with signing(pool) as signer:
            told = Told(signer, numbered(key, 10))
            await asyncio.sleep(0.05)
            signer.close()
            assert len(told.outcomes) == 10
            return await told.all()

    assert [type(outcome) for outcome in asyncio.run(ask())] == [TokenUnavailable] * 10
    shim.say()


def test_who_was_never_started_or_is_closed_signs_nothing(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    key = make_key(pool)

    async def ask() -> None:
        with pytest.raises(TokenUnavailable):
            Told(AsyncSigner(pool), numbered(key, 1))
        async with signing(pool) as signer:
            signer.close()
            (outcome,) = await Told(signer, numbered(key, 1)).all()
            assert isinstance(outcome, TokenUnavailable)

    asyncio.run(ask())
