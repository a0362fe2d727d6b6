"""Many signatures that one caller of an event loop asks for together: an outcome for each, and one wait for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from hsm import AsyncSigner, PinnedKey, SignRequest, TokenError, TokenPool
from hsm.errors import DeadlineExceeded, KeyNotFound, TokenNotFound, TokenUnavailable
from hsm.parent.child import Channel
from hsm.protocol.messages import Op
from hsm.protocol.signing import unpack_batch
from tests.hsm.children import pid_of
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.judging import verify
from tests.hsm.load import GRACE
from tests.hsm.looping import TIMEOUT, all_verify, signing
from tests.hsm.shim import Shim
from tests.hsm.softhsm import SoftHsm
from tests.hsm.twins import Twins
from tests.support.rows import slow_but


def numbered(key: PinnedKey, count: int) -> list[SignRequest]:
    """So many requests; each message is its number."""
    return [SignRequest(key, b"%d" % number) for number in range(count)]


def together(pool: TokenPool, asked: Sequence[SignRequest], *, timeout: float = TIMEOUT) -> list[bytes | TokenError]:
    """What one call gives, after which nothing is under way."""

    async def ask() -> list[bytes | TokenError]:
        async with signing(pool) as signer:
            found = await signer.sign_each(asked, timeout=timeout)
            assert [client.loop_load for client in pool.clients] == [0] * len(pool.clients)
            return found

    return asyncio.run(ask())


@pytest.mark.parametrize("count", [0, 1, 64, 600])
def test_each_has_the_signature_over_its_own_message(softhsm: SoftHsm, open_pool: OpenPool, count: int) -> None:
    pool = open_pool(softhsm.config)
    key = make_key(pool)
    found = together(pool, numbered(key, count))
    assert len(found) == count
    all_verify(key, found)


def test_each_has_an_outcome_of_its_own_in_order(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    key = make_key(pool)
    unknown = PinnedKey(key_id=b"nobody", algorithm=key.algorithm, spki=key.spki)
    asked = [
        SignRequest(key, b"first"),
        SignRequest(unknown, b""),
        SignRequest(key, b"third", ("demo",)),
        SignRequest(key, b"", ("elsewhere",)),
        SignRequest(key, b"last"),
    ]
    found = together(pool, asked)
    assert [type(outcome) for outcome in found] == [bytes, KeyNotFound, bytes, TokenNotFound, bytes]
    for number in (0, 2, 4):
        verify(asked[number], found[number])


def test_what_is_asked_together_goes_out_together(
    softhsm: SoftHsm, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = open_pool(softhsm.config)
    key, sent, post = make_key(pool), list[int](), Channel.post

    def counted(channel: Channel, op: Op, body: bytes) -> int | None:
        sent.append(len(unpack_batch(body).items))
        return post(channel, op, body)

    monkeypatch.setattr(Channel, "post", counted)
    together(pool, numbered(key, 64))
    assert sent == [64]


def test_all_end_at_their_deadline_and_kill_nothing(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key, pid = make_key(pool), pid_of(pool)
    shim.say("C_Sign hold")

    async def ask() -> list[bytes | TokenError]:
        async with signing(pool) as signer:
            started = time.monotonic()
            late = await signer.sign_each(numbered(key, 10), timeout=0.3)
            assert time.monotonic() - started < 0.3 + GRACE
            assert [type(outcome) for outcome in late] == [DeadlineExceeded] * 10
            shim.say()
            return await signer.sign_each(numbered(key, 10), timeout=TIMEOUT)

    all_verify(key, asyncio.run(ask()))
    assert pid_of(pool) == pid


def test_a_caller_that_goes_away_disturbs_nobody(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    shim.say("C_Sign hold")

    async def ask() -> list[bytes | TokenError]:
        async with signing(pool) as signer:
            gone = asyncio.ensure_future(signer.sign_each(numbered(key, 10), timeout=TIMEOUT))
            others = asyncio.ensure_future(signer.sign_each(numbered(key, 10), timeout=TIMEOUT))
            await asyncio.sleep(0.05)
            gone.cancel()
            shim.say()
            with pytest.raises(asyncio.CancelledError):
                await gone
            found = await others
            while pool.clients[0].loop_load:
                await asyncio.sleep(0.005)
            return found

    all_verify(key, asyncio.run(ask()))


def test_they_are_spread_over_both_tokens(twins: Twins) -> None:
    before = twins.first.signed()
    all_verify(twins.key, together(twins.pool, numbered(twins.key, 100)))
    assert (twins.first.signed() - before, twins.second.signed()) == (50, 50)


@pytest.mark.parametrize("failure", slow_but({"abort"}, ["abort", "block", "return 0x30"]))
def test_the_other_token_signs_what_one_fails(twins: Twins, failure: str) -> None:
    twins.first.say(f"C_Sign {failure}")
    all_verify(twins.key, together(twins.pool, numbered(twins.key, 100)))


def test_closing_ends_all_that_is_under_way(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    shim.say("C_Sign hold")

    async def ask() -> list[bytes | TokenError]:
        async with signing(pool) as signer:
            waiting = asyncio.ensure_future(signer.sign_each(numbered(key, 10), timeout=TIMEOUT))
            await asyncio.sleep(0.05)
            signer.close()
            return await waiting

    assert [type(outcome) for outcome in asyncio.run(ask())] == [TokenUnavailable] * 10
    shim.say()


def test_who_was_never_started_or_is_closed_signs_nothing(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    key = make_key(pool)

    async def ask() -> None:
        with pytest.raises(TokenUnavailable):
            await AsyncSigner(pool).sign(key, b"", timeout=TIMEOUT)
        async with signing(pool) as signer:
            signer.close()
            (outcome,) = await signer.sign_each(numbered(key, 1), timeout=TIMEOUT)
            assert isinstance(outcome, TokenUnavailable)

    asyncio.run(ask())
