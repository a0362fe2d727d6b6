"""Signatures for an event loop: as the pool gives them, without a thread between a request and its answer."""

from __future__ import annotations

import asyncio

import pytest

from hsm import PinnedKey, SignRequest
from hsm.errors import (
    ConfigurationError,
    KeyMismatch,
    KeyNotFound,
    PinRejected,
    SignatureMismatch,
    TokenNotFound,
)
from hsm.parent.child import Channel
from hsm.protocol.messages import Op
from hsm.protocol.signing import MAX_ITEMS, unpack_batch
from tests.hsm.children import pid_of
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.judging import verify
from tests.hsm.load import Load
from tests.hsm.looping import TIMEOUT, all_verify, many, once, signing
from tests.hsm.shim import Shim
from tests.hsm.softhsm import SoftHsm
from tests.support.rows import slow_but


@pytest.mark.parametrize("count", slow_but({1, 32}, [1, 32, 700]))
def test_each_caller_has_the_signature_over_its_own_message(softhsm: SoftHsm, open_pool: OpenPool, count: int) -> None:
    pool = open_pool(softhsm.config)
    key = make_key(pool)
    all_verify(key, many(pool, key, count))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many items each message held that an event loop sent."""
    counts: list[int] = []
    post = Channel.post

    def counted(channel: Channel, op: Op, body: bytes) -> int | None:
        number = post(channel, op, body)
        if number is not None:
            counts.append(len(unpack_batch(body).items))
        return number

    monkeypatch.setattr(Channel, "post", counted)
    return counts


def test_what_is_asked_in_one_turn_goes_out_in_one_message(
    softhsm: SoftHsm, open_pool: OpenPool, sent: list[int]
) -> None:
    pool = open_pool(softhsm.config)
    many(pool, make_key(pool), 32)
    assert sent == [32]


def test_no_more_than_a_message_is_under_way(softhsm: SoftHsm, open_pool: OpenPool, sent: list[int]) -> None:
    pool = open_pool(softhsm.config)
    many(pool, make_key(pool), 700)
    assert sum(sent) == 700
    assert sent[0] == MAX_ITEMS
    assert all(count < MAX_ITEMS for count in sent[1:])


def test_it_shares_tokens_with_the_pool(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    key, pid = make_key(pool), pid_of(pool)
    with Load(pool, key, timeout=TIMEOUT) as load:
        for _ in range(3):
            all_verify(key, many(pool, key, 100))
        load.wait_signature()
    assert load.codes() == {None}
    assert pid_of(pool) == pid


def test_the_loop_goes_on_while_the_token_does_not(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    shim.say("C_Sign hold")

    async def ask() -> bytes:
        async with signing(pool) as signer:
            waiting = asyncio.ensure_future(signer.sign(key, b"1", timeout=TIMEOUT))
            for _ in range(100):
                await asyncio.sleep(0.001)
            assert not waiting.done()
            shim.say()
            return await waiting

    verify(SignRequest(key, b"1"), asyncio.run(ask()))


class TestRefusals:
    """What is refused is refused as the pool does."""

    def test_a_key_that_nobody_has(self, softhsm: SoftHsm, open_pool: OpenPool) -> None:
        pool = open_pool(softhsm.config)
        key = make_key(pool)
        unknown = PinnedKey(key_id=b"nobody", algorithm=key.algorithm, spki=key.spki)
        with pytest.raises(KeyNotFound):
            once(pool, lambda signer: signer.sign(unknown, b"", timeout=TIMEOUT))

    def test_another_key_than_the_pinned_one(self, softhsm: SoftHsm, open_pool: OpenPool) -> None:
        pool = open_pool(softhsm.config)
        key, other = make_key(pool), make_key(pool, key_id=b"\2", label="other")
        wrong = PinnedKey(key_id=key.key_id, algorithm=key.algorithm, spki=other.spki)
        with pytest.raises(KeyMismatch):
            once(pool, lambda signer: signer.sign(wrong, b"", timeout=TIMEOUT))

    def test_a_token_that_is_not_configured(self, softhsm: SoftHsm, open_pool: OpenPool) -> None:
        pool = open_pool(softhsm.config)
        key = make_key(pool)
        with pytest.raises(TokenNotFound):
            once(pool, lambda signer: signer.sign(key, b"", tokens=["elsewhere"], timeout=TIMEOUT))

    def test_a_signature_that_does_not_verify_never_leaves(self, shim: Shim, open_pool: OpenPool) -> None:
        pool = open_pool(shim.hsm.config)
        key = make_key(pool)
        shim.say("C_Sign corrupt")
        assert {type(outcome) for outcome in many(pool, key, 20)} == {SignatureMismatch}

    def test_a_refused_pin_is_said_at_once(self, shim: Shim, open_pool: OpenPool) -> None:
        key = make_key(open_pool(shim.hsm.config))
        shim.hsm.pin_file.write_text("wrong")
        pool = open_pool(shim.hsm.config, ready=False)
        with pytest.raises(PinRejected):
            once(pool, lambda signer: signer.sign(key, b"", timeout=TIMEOUT))

    def test_a_second_loop(self, softhsm: SoftHsm, open_pool: OpenPool) -> None:
        pool = open_pool(softhsm.config)

        async def start_twice() -> None:
            async with signing(pool) as signer:
                with pytest.raises(ConfigurationError):
                    signer.start(asyncio.get_running_loop())

        asyncio.run(start_twice())
