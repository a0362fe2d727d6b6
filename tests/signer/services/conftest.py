"""A worker with one token, and one with two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.clock import ManualClock
from tests.support.house import SIGNER, House, open_house
from tests.support.memory_tokens import MemoryTokens

OpenHouse = Callable[..., House]


@pytest.fixture
def tokens() -> MemoryTokens:
    """One token named ``one``."""
    return MemoryTokens("one")


@pytest.fixture
def two_tokens() -> MemoryTokens:
    """Tokens named ``one`` and ``two``."""
    return MemoryTokens("one", "two")


@pytest.fixture
def open_worker(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[OpenHouse]:
    """Opens workers on this test's database: ``open_worker(tokens, strict=…)``."""
    with ExitStack() as stack:

        def opened(tokens: MemoryTokens, *, strict: bool = False, vital_keys: tuple[str, ...] = ()) -> House:
            return stack.enter_context(
                open_house(sqlite_url, tmp_path, tokens, clock, strict=strict, vital_keys=vital_keys)
            )

        yield opened


@pytest.fixture
def house(open_worker: OpenHouse, tokens: MemoryTokens) -> House:
    """A worker with one token."""
    return open_worker(tokens)


@pytest.fixture
def pair_house(open_worker: OpenHouse, two_tokens: MemoryTokens) -> House:
    """A worker with two tokens."""
    return open_worker(two_tokens)


@pytest.fixture
def warm(house: House) -> House:
    """A worker with one token, which remembers all that decides of its key."""
    house.create()
    house.sign(SIGNER)
    return house
