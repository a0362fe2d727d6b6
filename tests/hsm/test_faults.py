"""The fault table: what a caller sees, and how long until the token is healthy again, with real processes.

In every row four threads ask for signatures before, during and after the fault, with a deadline; no request may miss
it, and nothing is restarted by hand.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass

import pytest

from hsm import Algorithm, TokenState
from hsm.errors import (
    DeadlineExceeded,
    KeyMismatch,
    KeyNotFound,
    SignatureMismatch,
    TokenBusy,
    TokenError,
    TokenUnavailable,
)
from tests.hsm.children import ended, pid_of, wait_until
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.load import GRACE, Load
from tests.hsm.shim import Shim
from tests.hsm.softhsm import SoftHsm
from tests.support.rows import slow_but

DEADLINE = 3.0
UNAVAILABLE = TokenUnavailable.code
# A token that is back is found after one delay of the test's policy (0.5 s at most) and one start of a process,
# which takes a few tenths of a second where two processors are shared with other tests.
HEALTHY_WITHIN = 8.0


def recovered(load: Load, since: float) -> None:
    """The token is healthy again soon after ``since``, and stays so."""
    first = load.wait_signature(since=since)
    assert first.ended - since < HEALTHY_WITHIN
    settled = time.monotonic()
    for _ in range(20):
        load.wait_signature()
    assert load.after(settled) == {None}
    assert load.longest < DEADLINE + GRACE


def test_a_process_that_is_killed_costs_no_request(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    with Load(pool, make_key(pool), timeout=DEADLINE) as load:
        for _ in range(3):
            pid, since = pid_of(pool), time.monotonic()
            os.kill(pid, signal.SIGKILL)
            assert ended(pid)
            recovered(load, since)
            assert pid_of(pool) != pid
    assert load.codes() == {None}
    assert pool.health()[0].restarts == 3


def test_a_store_that_is_moved_away_and_back(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    away = softhsm.store.with_name("away")
    with Load(pool, make_key(pool), timeout=DEADLINE) as load:
        softhsm.store.rename(away)
        refused = load.wait(lambda outcome: outcome.code is not None)
        assert refused.code == UNAVAILABLE
        assert refused.retry_after is not None
        load.wait(lambda outcome: outcome.code is not None and outcome.ended - outcome.started < 0.1)
        assert pool.health()[0].last_error in ("token-not-found", UNAVAILABLE)
        since = time.monotonic()
        away.rename(softhsm.store)
        recovered(load, since)
    assert load.codes() == {None, UNAVAILABLE}


def test_a_module_that_hangs(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.with_(sign_timeout=0.5))
    with Load(pool, make_key(pool), timeout=DEADLINE) as load:
        hung = pid_of(pool)
        shim.say("C_Sign block")
        refused = load.wait(lambda outcome: outcome.code is not None)
        assert refused.code in (UNAVAILABLE, DeadlineExceeded.code)
        assert ended(hung)
        load.wait(lambda outcome: outcome.code is not None and outcome.retry_after is not None)
        since = time.monotonic()
        shim.say()
        recovered(load, since)
    assert load.codes() <= {None, UNAVAILABLE, DeadlineExceeded.code}


def test_a_module_that_crashes(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    with Load(pool, make_key(pool), timeout=DEADLINE) as load:
        shim.say("C_Sign abort")
        refused = load.wait(lambda outcome: outcome.code is not None)
        assert refused.code == UNAVAILABLE
        assert refused.retry_after is not None
        since = time.monotonic()
        shim.say()
        recovered(load, since)
    assert load.codes() == {None, UNAVAILABLE}


LOSSES = {
    "CKR_GENERAL_ERROR": 0x5,
    "CKR_FUNCTION_FAILED": 0x6,
    "CKR_DEVICE_ERROR": 0x30,
    "CKR_DEVICE_REMOVED": 0x32,
    "CKR_KEY_HANDLE_INVALID": 0x60,
    "CKR_OBJECT_HANDLE_INVALID": 0x82,
    "CKR_SESSION_CLOSED": 0xB0,
    "CKR_SESSION_HANDLE_INVALID": 0xB3,
    "CKR_TOKEN_NOT_PRESENT": 0xE0,
    "CKR_USER_NOT_LOGGED_IN": 0x101,
    "CKR_CRYPTOKI_NOT_INITIALIZED": 0x190,
    "a value of the vendor": 0x80000001,
}


@pytest.mark.parametrize(
    "row", slow_but({"CKR_DEVICE_ERROR", "CKR_TOKEN_NOT_PRESENT", "CKR_USER_NOT_LOGGED_IN"}, LOSSES)
)
def test_a_token_that_is_lost_for_a_while(shim: Shim, open_pool: OpenPool, row: str) -> None:
    pool = open_pool(shim.hsm.config)
    with Load(pool, make_key(pool), timeout=DEADLINE) as load:
        shim.say(f"C_Sign return {LOSSES[row]:#x}")
        refused = load.wait(lambda outcome: outcome.code is not None)
        assert refused.code == UNAVAILABLE
        assert refused.retry_after is not None
        since = time.monotonic()
        shim.say()
        recovered(load, since)
    assert load.codes() == {None, UNAVAILABLE}
    assert pool.health()[0].last_error is None


@pytest.mark.parametrize(
    "row",
    slow_but(
        {
            "CKR_DEVICE_ERROR",
            "CKR_SESSION_HANDLE_INVALID",
            "CKR_TOKEN_NOT_PRESENT",
            "CKR_USER_NOT_LOGGED_IN",
            "a value of the vendor",
        },
        LOSSES,
    ),
)
def test_a_token_that_is_lost_once_is_reloaded_in_place(shim: Shim, open_pool: OpenPool, row: str) -> None:
    pool = open_pool(shim.hsm.config)
    key, pid, logins = make_key(pool), pid_of(pool), shim.logins
    pool.sign(key, b"before")
    shim.say(f"C_Sign once {LOSSES[row]:#x}")
    assert pool.sign(key, b"while")
    assert (pid_of(pool), shim.logins) == (pid, logins + 1)


@pytest.mark.slow
def test_reloads_that_do_not_help_become_rare(shim: Shim, open_pool: OpenPool) -> None:
    """One key fails as a lost token would, and another signs: no reload helps, and each interrupts the other."""
    pool = open_pool(shim.hsm.config)
    broken, sound = make_key(pool, algorithm=Algorithm.RSA_2048), make_key(pool, key_id=b"\2", label="sound")
    pool.sign(broken, b"")
    shim.say("C_Sign broken 51")
    pid, logins, began = pid_of(pool), shim.logins, time.monotonic()
    while time.monotonic() - began < 2.0:
        assert pool.sign(sound, b"")
        with pytest.raises(TokenUnavailable):
            pool.sign(broken, b"")
    # Due after 0.2 s, and then 0.4, 0.8 and 1.6 s later.
    assert 2 <= shim.logins - logins <= 4
    shim.say()
    assert pool.sign(sound, b"")
    assert pid_of(pool) == pid


def test_a_process_that_replaces_a_failed_one_has_to_sign_first(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    pool.sign(key, b"the key that is used last")
    shim.say("C_Sign abort")
    with pytest.raises(TokenUnavailable):
        pool.sign(key, b"")
    # Nobody asks for anything any more: what fails from here on is what the replacements have to sign.
    replaced = pool.health()[0].restarts
    wait_until(lambda: pool.health()[0].restarts >= replaced + 2)
    shim.say()
    assert pool.wait_ready(HEALTHY_WITHIN)


REFUSALS = {
    "CKR_MECHANISM_INVALID": 0x70,
    "CKR_KEY_TYPE_INCONSISTENT": 0x63,
    "CKR_KEY_FUNCTION_NOT_PERMITTED": 0x68,
    "CKR_DATA_LEN_RANGE": 0x21,
}


@pytest.mark.parametrize("row", REFUSALS)
def test_a_refusal_of_the_request_reloads_nothing(shim: Shim, open_pool: OpenPool, row: str) -> None:
    pool = open_pool(shim.hsm.config)
    key, pid, logins = make_key(pool), pid_of(pool), shim.logins
    shim.say(f"C_SignInit return {REFUSALS[row]:#x}")
    for _ in range(3):
        with pytest.raises(TokenError) as refused:
            pool.sign(key, b"")
        assert refused.value.code == "token-algorithm-unsupported"
    shim.say()
    assert pool.sign(key, b"")
    assert (pid_of(pool), shim.logins) == (pid, logins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What hinders a start, and what is said meanwhile."""

    command: str
    last_error: str


STARTS = {
    "a module that hangs while it is initialised": Start(command="C_Initialize block", last_error=UNAVAILABLE),
    "a module that hangs in the login": Start(command="C_Login block", last_error=UNAVAILABLE),
    "a module that fails to initialise": Start(command="C_Initialize return 0x5", last_error=UNAVAILABLE),
    "a module that crashes at the first look-up": Start(command="C_FindObjectsInit abort", last_error=UNAVAILABLE),
    "a session table that is full": Start(command="C_OpenSession limit 0", last_error=TokenBusy.code),
    "a token without a PIN as yet": Start(command="C_Login return 0x102", last_error=UNAVAILABLE),
}


@pytest.mark.parametrize("row", slow_but({"a module that hangs in the login", "a session table that is full"}, STARTS))
def test_a_start_that_fails_is_tried_again(shim: Shim, open_pool: OpenPool, row: str) -> None:
    start = STARTS[row]
    shim.say(start.command)
    pool = open_pool(shim.hsm.with_(start_timeout=1.0), ready=None)
    deadline = time.monotonic() + HEALTHY_WITHIN
    while (health := pool.health()[0]).last_error is None and time.monotonic() < deadline:
        assert not pool.wait_ready(0.05)
    assert health.state in (TokenState.STARTING, TokenState.WAITING)
    assert health.last_error == start.last_error
    assert health.retry_after is not None
    since = time.monotonic()
    shim.say()
    assert pool.wait_ready(HEALTHY_WITHIN)
    assert time.monotonic() - since < HEALTHY_WITHIN
    assert pool.sign(make_key(pool), b"")


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_full_session_table_means_fewer_at_once(shim: Shim, open_pool: OpenPool, limit: int) -> None:
    key = make_key(open_pool(shim.hsm.config))
    shim.say(f"C_OpenSession limit {limit}")
    pool = open_pool(shim.hsm.config)
    with Load(pool, key, timeout=DEADLINE) as load:
        for _ in range(20):
            load.wait_signature()
    assert load.codes() == {None}


def test_a_key_that_was_deleted_behind_our_back(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool, other = open_pool(softhsm.config), open_pool(softhsm.config)
    key, untouched = make_key(pool), make_key(pool, key_id=b"\2", label="untouched")
    with Load(pool, untouched, timeout=DEADLINE) as load:
        pool.sign(key, b"")
        other.destroy("demo", key.key_id)
        for _ in range(5):
            with pytest.raises(KeyNotFound) as refused:
                pool.sign(key, b"")
            assert refused.value.key_id == key.key_id.hex()
        load.wait_signature()
    assert load.codes() == {None}
    assert pool.has_key("demo", key) is False


def test_a_key_that_is_missing_reloads_the_token_once_and_not_again_and_again(shim: Shim, open_pool: OpenPool) -> None:
    pool, other = open_pool(shim.hsm.config), open_pool(shim.hsm.config)
    gone, sound = make_key(pool), make_key(pool, key_id=b"\2", label="sound")
    pool.sign(gone, b"")
    other.destroy("demo", gone.key_id)
    logins, began = shim.logins, time.monotonic()
    while time.monotonic() - began < 1.5:
        with pytest.raises(KeyNotFound):
            pool.sign(gone, b"")
        assert pool.sign(sound, b"")
    assert shim.logins - logins == 1


def test_a_key_that_was_replaced_is_refused(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool, other = open_pool(softhsm.config), open_pool(softhsm.config)
    key = make_key(pool)
    pool.sign(key, b"")
    other.destroy("demo", key.key_id)
    replacement = make_key(other)
    for _ in range(3):
        with pytest.raises(KeyMismatch) as refused:
            pool.sign(key, b"")
        assert (refused.value.expected, refused.value.actual) == (key.fingerprint, replacement.fingerprint)
    assert pool.sign(replacement, b"")


def test_who_looks_for_a_key_is_not_told_of_a_handle(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool, other = open_pool(softhsm.config), open_pool(softhsm.config)
    key = make_key(pool)
    pool.sign(key, b"its handle is kept from here on")
    other.destroy("demo", key.key_id)
    make_key(other)
    with pytest.raises(KeyMismatch):
        pool.has_key("demo", key)


def test_a_signature_that_does_not_verify_never_leaves(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    shim.say("C_Sign corrupt")
    for _ in range(20):
        with pytest.raises(SignatureMismatch) as refused:
            pool.sign(key, b"")
        assert refused.value.key_id == key.key_id.hex()
    with pytest.raises(TokenError):
        make_key(pool, key_id=b"\2", label="another")
    shim.say()
    assert [found.key_id for found in pool.find_keys("demo")] == [key.key_id]


def test_signatures_in_der_are_normalised(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    shim.say("C_Sign der")
    assert {len(pool.sign(key, bytes([number]))) for number in range(50)} == {64}


def test_a_module_that_cannot_lock_is_called_by_one_thread(shim: Shim, open_pool: OpenPool) -> None:
    shim.say("C_Initialize return 0xa")
    pool = open_pool(shim.hsm.config)
    with Load(pool, make_key(pool), timeout=DEADLINE) as load:
        for _ in range(50):
            load.wait_signature()
    assert load.codes() == {None}


def test_a_caller_who_gives_up_early_kills_nothing(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key, pid = make_key(pool), pid_of(pool)
    shim.say("C_Sign hold")
    with pytest.raises(DeadlineExceeded) as refused:
        pool.sign(key, b"", timeout=0.2)
    assert refused.value.timeout == pytest.approx(0.2, abs=0.05)
    shim.say()
    for _ in range(20):
        assert pool.sign(key, b"")
    assert pid_of(pool) == pid


def test_waiting_for_a_channel_ends_at_the_deadline(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.with_(sessions=1))
    key = make_key(pool)
    shim.say("C_Sign hold")
    first = threading.Thread(target=lambda: pool.sign(key, b"", timeout=5))
    first.start()
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        pool.sign(key, b"", timeout=0.3)
    assert time.monotonic() - started < 0.3 + GRACE
    shim.say()
    first.join(10)
    assert not first.is_alive()
