"""An event loop's signatures while tokens fail: healed as the pool heals them, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest

from hsm import Algorithm, AsyncSigner, SignRequest, TokenState
from hsm.errors import (
    DeadlineExceeded,
    SignatureMismatch,
    TokenError,
    TokenUnavailable,
)
from tests.hsm.children import ended, pid_of
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.judging import verify
from tests.hsm.load import GRACE
from tests.hsm.looping import TIMEOUT, all_verify, many, once, outcomes_of, signing
from tests.hsm.shim import Shim
from tests.hsm.softhsm import SoftHsm
from tests.hsm.test_strangers import BEGIN, PATH, READY, started_as
from tests.hsm.twins import Twins
from tests.support.rows import slow_but


def test_a_process_that_is_killed_costs_no_signature(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    key, pid = make_key(pool), pid_of(pool)
    all_verify(key, many(pool, key, 500, amid=lambda: os.kill(pid, signal.SIGKILL)))
    assert ended(pid)
    assert pool.health()[0].restarts == 1


def test_a_token_that_is_lost_once_is_reloaded_in_place(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key, pid, logins = make_key(pool), pid_of(pool), shim.logins
    shim.say("C_Sign once 0x30")
    all_verify(key, many(pool, key, 50))
    assert (pid_of(pool), shim.logins) == (pid, logins + 1)


def test_a_module_that_hangs_is_replaced(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.with_(sign_timeout=0.5))
    key, hung = make_key(pool), pid_of(pool)
    shim.say("C_Sign block")
    started = time.monotonic()
    outcomes = many(pool, key, 10, timeout=3.0)
    assert time.monotonic() - started < 3.0 + GRACE
    assert {type(outcome) for outcome in outcomes} == {TokenUnavailable}
    assert all(isinstance(outcome, TokenError) and outcome.retry_after is not None for outcome in outcomes)
    assert ended(hung)
    shim.say()
    assert pool.wait_ready(10)
    all_verify(key, many(pool, key, 10))


def test_one_call_that_hangs_among_others_is_noticed(shim: Shim, open_pool: OpenPool) -> None:
    """Other answers keep coming, so the channel is never quiet."""
    pool = open_pool(shim.hsm.with_(sign_timeout=0.5))
    broken, sound = make_key(pool, algorithm=Algorithm.RSA_2048), make_key(pool, key_id=b"\2", label="sound")
    hung = pid_of(pool)
    shim.say("C_Sign stuck 51")

    async def ask() -> bytes | BaseException:
        async with signing(pool) as signer:
            stuck = asyncio.ensure_future(signer.sign(broken, b"", timeout=3.0))
            while not stuck.done():
                await asyncio.gather(signer.sign(sound, b"", timeout=TIMEOUT), return_exceptions=True)
            return stuck.exception() or stuck.result()

    assert isinstance(asyncio.run(ask()), TokenUnavailable)
    assert ended(hung)


def test_a_token_that_cannot_be_opened_again_is_not_waited_for(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    shim.say("C_Sign abort")
    many(pool, key, 1)
    while pool.health()[0].restarts < 4:
        pool.wait_ready(0.05)
    started = time.monotonic()
    with pytest.raises(TokenUnavailable) as refused:
        once(pool, lambda signer: signer.sign(key, b"", timeout=TIMEOUT))
    assert time.monotonic() - started < 1.0
    assert refused.value.retry_after is not None


def test_a_request_ends_at_its_deadline_and_kills_nothing(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key, pid = make_key(pool), pid_of(pool)
    shim.say("C_Sign hold")

    async def ask() -> list[bytes | TokenError]:
        async with signing(pool) as signer:
            started = time.monotonic()
            late = await outcomes_of(signer, key, 10, timeout=0.3)
            assert time.monotonic() - started < 0.3 + GRACE
            assert {type(outcome) for outcome in late} == {DeadlineExceeded}
            shim.say()
            return await outcomes_of(signer, key, 10)

    all_verify(key, asyncio.run(ask()))
    assert pid_of(pool) == pid


def test_a_caller_that_goes_away_disturbs_nobody(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    shim.say("C_Sign hold")

    async def ask() -> list[bytes | TokenError]:
        async with signing(pool) as signer:
            gone = asyncio.ensure_future(signer.sign(key, b"gone", timeout=TIMEOUT))
            others = asyncio.ensure_future(outcomes_of(signer, key, 10))
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


def test_requests_are_spread_over_both_tokens(twins: Twins) -> None:
    before = twins.first.signed()
    all_verify(twins.key, many(twins.pool, twins.key, 100))
    assert (twins.first.signed() - before, twins.second.signed()) == (50, 50)


FAILURES = {
    "a token that crashes": "C_Sign abort",
    "a token that hangs": "C_Sign block",
    "a token that is lost": "C_Sign return 0x30",
    "a token that refuses": "C_Sign return 0x70",
}


@pytest.mark.parametrize("row", slow_but({"a token that crashes"}, FAILURES))
def test_the_other_token_signs_what_one_fails(twins: Twins, row: str) -> None:
    twins.first.say(FAILURES[row])
    all_verify(twins.key, many(twins.pool, twins.key, 100))


def test_closing_ends_what_is_under_way(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    shim.say("C_Sign hold")

    async def ask() -> list[bytes | TokenError]:
        async with signing(pool) as signer:
            waiting = asyncio.ensure_future(outcomes_of(signer, key, 10))
            await asyncio.sleep(0.05)
            signer.close()
            return await waiting

    assert {type(outcome) for outcome in asyncio.run(ask())} == {TokenUnavailable}
    shim.say()
    assert pool.sign(key, b"the pool stays open")


def test_closing_the_pool_ends_what_is_under_way(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    shim.say("C_Sign hold")

    async def ask() -> list[bytes | TokenError]:
        async with signing(pool) as signer:
            waiting = asyncio.ensure_future(outcomes_of(signer, key, 10))
            await asyncio.sleep(0.05)
            closing = threading.Thread(target=pool.close)
            closing.start()
            found = await waiting
            closing.join()
            return found

    assert {type(outcome) for outcome in asyncio.run(ask())} == {TokenUnavailable}


def test_a_loop_that_is_gone_keeps_nobody(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    """Its signer was never closed, and the token's process is replaced afterwards."""
    pool = open_pool(softhsm.config)
    key, pid = make_key(pool), pid_of(pool)

    signer = AsyncSigner(pool)

    async def ask() -> bytes:
        signer.start(asyncio.get_running_loop())
        return await signer.sign(key, b"0", timeout=TIMEOUT)

    all_verify(key, [asyncio.run(ask())])
    os.kill(pid, signal.SIGKILL)
    assert ended(pid)
    assert pool.sign(key, b"as before")
    assert pool.health()[0].state is TokenState.READY
    signer.close()


ANSWER = "others[1].send(w.reply(w.Status.{status}, {request}, {body})); life.recv(1)"
BODY = "s.pack_answers([({number}, b'x')])"

ANSWERS = {
    "nonsense": "others[1].send(os.urandom(50)); life.recv(1)",
    "an answer to another question": ANSWER.format(status="DONE", request=77, body=BODY.format(number=0)),
    "an answer to an item that was not asked": ANSWER.format(status="DONE", request=1, body=BODY.format(number=9)),
    "a status that does not belong there": ANSWER.format(status="READY", request=1, body="b''"),
    "no answers at all": ANSWER.format(status="DONE", request=1, body="b''"),
    "an end before the last item": ANSWER.format(status="DONE", request=1, body=BODY.format(number=0)),
    "silence and the end": "pass",
}


def test_what_comes_after_the_last_answer_is_the_end_of_its_process(
    softhsm: SoftHsm, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(open_pool(softhsm.config))
    ready = READY.replace("others[-1]", "others[1]")
    answer = ANSWER.format(status="DONE", request=1, body=BODY.format(number=0))
    started_as(monkeypatch, f"{BEGIN}{PATH}exec({ready!r}); {answer.replace('life.recv(1)', answer)}")
    pool = open_pool(softhsm.config)
    pid = pid_of(pool)
    monkeypatch.undo()

    async def ask() -> None:
        async with signing(pool) as signer:
            with pytest.raises(SignatureMismatch):
                await signer.sign(key, b"0", timeout=TIMEOUT)
            assert await asyncio.to_thread(ended, pid)
            verify(SignRequest(key, b"1"), await signer.sign(key, b"1", timeout=TIMEOUT))

    asyncio.run(ask())


@pytest.mark.parametrize("row", slow_but({"nonsense", "silence and the end"}, ANSWERS))
def test_a_stranger_that_answers_is_replaced(
    softhsm: SoftHsm, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    key = make_key(open_pool(softhsm.config))
    ready = READY.replace("others[-1]", "others[1]")
    started_as(monkeypatch, f"{BEGIN}{PATH}exec({ready!r}); {ANSWERS[row]}")
    pool = open_pool(softhsm.config)
    pid = pid_of(pool)
    monkeypatch.undo()
    found = many(pool, key, 2)
    # A signature that is none is told to its caller, who is not sent to another token; all others are signed.
    for number, outcome in enumerate(found):
        if not isinstance(outcome, SignatureMismatch):
            verify(SignRequest(key, b"%d" % number), outcome)
    assert isinstance(found[1], bytes)
    assert ended(pid)
