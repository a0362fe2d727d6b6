"""Tokens, pools and keys for the tests of the token layer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hsm import Algorithm, PinnedKey, RestartPolicy, TokenConfig, TokenPool
from tests.hsm.shim import Shim, compiled, make_shim
from tests.hsm.softhsm import SoftHsm, make_softhsm
from tests.hsm.twins import Twins, make_twins

READY_SECONDS = 30.0
QUICK = RestartPolicy(initial=0.02, maximum=0.5, healthy_after=5.0, max_wait=2.0)

OpenPool = Callable[..., TokenPool]


@pytest.fixture
def softhsm(tmp_path: Path) -> SoftHsm:
    """A SoftHSM token of this test's own."""
    return make_softhsm(tmp_path)


@pytest.fixture(scope="session")
def shim_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The misbehaving module, compiled once."""
    return compiled(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def shim(shim_library: Path, tmp_path: Path) -> Shim:
    """A token of this test's own behind the misbehaving module."""
    return make_shim(shim_library, tmp_path)


@pytest.fixture
def open_pool() -> Iterator[OpenPool]:
    """Opens pools, waits for them unless told not to, and closes them after the test."""
    pools: list[TokenPool] = []

    def opened(
        *configs: TokenConfig,
        policy: RestartPolicy = QUICK,
        timeout: float = 10.0,
        ready: bool | None = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> TokenPool:
        pool = TokenPool(configs, policy=policy, timeout=timeout, clock=clock)
        pools.append(pool)
        pool.start()
        if ready is not None:
            assert pool.wait_ready(READY_SECONDS) is ready, pool.health()
        return pool

    yield opened
    for pool in pools:
        pool.close()


def make_key(
    pool: TokenPool,
    *,
    token: str = "demo",
    algorithm: Algorithm = Algorithm.ECDSA_P256,
    key_id: bytes = b"\x01",
    label: str = "key",
) -> PinnedKey:
    """A new pair, pinned."""
    spki = pool.generate(algorithm, key_id=key_id, label=label, token=token)
    return PinnedKey(key_id=key_id, algorithm=algorithm, spki=spki)


@pytest.fixture
def twins(shim: Shim, open_pool: OpenPool, tmp_path: Path) -> Twins:
    """Two tokens with the same key; the first can be made to misbehave."""
    return make_twins(shim, tmp_path, open_pool, make_key)
