"""Eight workers open the same token at the same moment, again and again: none of them notices the others."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest

from hsm import PinnedKey, TokenPool
from hsm.errors import KeyNotFound, TokenBusy
from hsm.parent.lock_location import lock_group
from hsm.worker.token_lock import TokenLock
from tests.hsm.children import wait_until
from tests.hsm.conftest import QUICK, READY_SECONDS, OpenPool, make_key
from tests.hsm.shim import Shim
from tests.hsm.softhsm import SoftHsm

WORKERS = 8


def start_together(softhsm: SoftHsm, key: PinnedKey) -> None:
    """Start all workers, have each sign once, and end them; none may have failed on the way."""
    pools = [TokenPool([softhsm.with_(sessions=1)], policy=QUICK) for _ in range(WORKERS)]
    try:
        for pool in pools:
            pool.start()
        for pool in pools:
            assert pool.wait_ready(READY_SECONDS), pool.health()
            assert pool.sign(key, b"first signature")
        assert [pool.health()[0].restarts for pool in pools] == [0] * WORKERS
    finally:
        for pool in pools:
            pool.close()


@pytest.mark.slow
def test_eight_workers_start_at_once_five_times(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    key = make_key(open_pool(softhsm.config))
    for _ in range(5):
        start_together(softhsm, key)


@pytest.mark.slow
def test_eight_workers_start_at_once_fifty_times(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    key = make_key(open_pool(softhsm.config))
    for _ in range(50):
        start_together(softhsm, key)


def test_keys_made_by_one_worker_are_known_to_all(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pools = [open_pool(softhsm.with_(sessions=1)) for _ in range(4)]
    for number, maker in enumerate(pools):
        key = make_key(maker, key_id=bytes([number + 1]), label=str(number))
        for pool in pools:
            assert pool.sign(key, b"made elsewhere")
    assert [pool.health()[0].restarts for pool in pools] == [0] * 4


@pytest.mark.slow
def test_workers_start_while_keys_are_made_and_removed(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    maker = open_pool(softhsm.with_(sessions=1))
    key = make_key(maker)
    stop, made = threading.Event(), []

    def make() -> None:
        while not stop.is_set():
            # SoftHSM now and then loses the name of a key that is made while others open the token: that is refused.
            with suppress(KeyNotFound):
                made.append(make_key(maker, key_id=b"again", label="again"))
            with suppress(KeyNotFound):
                maker.destroy("demo", b"again")

    making = threading.Thread(target=make)
    making.start()
    try:
        for _ in range(3):
            start_together(softhsm, key)
    finally:
        stop.set()
        making.join(60)
    assert not making.is_alive()
    assert made
    assert maker.health()[0].restarts == 0


def test_a_key_that_is_long_in_the_making_keeps_no_worker_from_starting(shim: Shim, open_pool: OpenPool) -> None:
    maker = open_pool(shim.hsm.config)
    key = make_key(maker)
    shim.say("C_GenerateKeyPair hold")
    making = threading.Thread(target=lambda: make_key(maker, key_id=b"slow", label="slow"))
    making.start()
    try:
        assert open_pool(shim.hsm.config).sign(key, b"meanwhile")
    finally:
        shim.say()
        making.join(60)
    assert not making.is_alive()


def test_a_lock_that_somebody_keeps_is_named(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    directory = softhsm.config.lock_directory
    assert directory is not None
    group = lock_group(softhsm.config.module_path, softhsm.config.environment)
    lock = TokenLock(directory, group=group, clock=time.monotonic)
    with lock.opening(0):
        pool = open_pool(softhsm.with_(start_timeout=0.5), ready=None)
        wait_until(lambda: pool.health()[0].last_error is not None)
        assert pool.health()[0].last_error == TokenBusy.code
    assert pool.wait_ready(READY_SECONDS)
