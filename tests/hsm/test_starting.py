"""Eight workers open the same token at the same moment, again and again: none of them notices the others."""

from __future__ import annotations

import pytest

from hsm import PinnedKey, TokenPool
from tests.hsm.conftest import QUICK, READY_SECONDS, OpenPool, make_key
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
