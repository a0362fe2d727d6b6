"""Steps that several workers take at once: the database decides, and one of them is told no."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from signer.domain.events import EventType as E
from signer.domain.keys import VersionState as S
from signer.errors import SignerError
from tests.support import rivals
from tests.support.clock import ManualClock
from tests.support.crowd import PROCESSES, Crowd, in_threads
from tests.support.house import ADMIN, House
from tests.support.memory_tokens import MemoryTokens
from tests.support.rivals import DONE

THREADS = 5


@pytest.fixture
def clock() -> ManualClock:
    """Before the real time: the other processes have no other clock."""
    return ManualClock(rivals.utc_now())


def test_two_rotations_at_once_by_threads(house: House) -> None:
    house.create()
    house.prepare()

    def rotate(_: int) -> str:
        try:
            house.rotate()
        except SignerError as error:
            return error.code
        return DONE

    outcomes = Counter(in_threads(THREADS, rotate))
    assert outcomes[DONE] == 1
    assert outcomes.keys() <= {DONE, "state-changed", "no-next-version"}
    assert house.states() == [S.PREVIOUS, S.ACTIVE]
    assert house.event_types().count(E.KEY_ROTATED) == 1


def test_two_rotations_at_once_by_processes(
    house: House, tokens: MemoryTokens, sqlite_url: str, tmp_path: Path, crowd: Crowd
) -> None:
    house.create()
    house.prepare()
    counts = crowd.everywhere(rivals.rotate_together, sqlite_url, tmp_path, tokens.snapshot(), THREADS)
    outcomes = sum(counts, Counter[str]())
    assert (outcomes[DONE], outcomes.total()) == (1, PROCESSES * THREADS)
    assert outcomes.keys() <= {DONE, "state-changed", "no-next-version"}
    assert house.states() == [S.PREVIOUS, S.ACTIVE]
    assert house.event_types().count(E.KEY_ROTATED) == 1


def test_two_versions_are_not_enabled_to_the_same_place(
    house: House, tokens: MemoryTokens, sqlite_url: str, tmp_path: Path, crowd: Crowd
) -> None:
    house.create()
    house.lifecycle.disable(ADMIN, "firmware", 1)
    for number in range(2, THREADS + 1):
        house.prepare()
        house.rotate()
        house.lifecycle.disable(ADMIN, "firmware", number)
    counts = crowd.everywhere(rivals.enable_together, sqlite_url, tmp_path, tokens.snapshot(), THREADS)
    outcomes = sum(counts, Counter[str]())
    assert outcomes.keys() <= {DONE, "active-version-exists", "state-changed", "step-not-allowed"}
    assert house.states().count(S.ACTIVE) == 1
    assert set(house.states()) <= {S.ACTIVE, S.PREVIOUS, S.DISABLED}
    assert house.event_types().count(E.VERSION_ENABLED) == outcomes[DONE]


def test_a_version_is_destroyed_once(
    house: House, tokens: MemoryTokens, sqlite_url: str, tmp_path: Path, crowd: Crowd
) -> None:
    house.create()
    house.lifecycle.disable(ADMIN, "firmware", 1)
    counts = crowd.everywhere(rivals.destroy_together, sqlite_url, tmp_path, tokens.snapshot(), THREADS)
    outcomes = sum(counts, Counter[str]())
    assert outcomes[DONE] == 1
    assert outcomes.keys() <= {DONE, "state-changed", "step-not-allowed"}
    assert house.states() == [S.DESTROYED]
    assert house.event_types().count(E.DESTRUCTION_STARTED) == 1
    assert house.event_types().count(E.VERSION_DESTROYED) == 1


def test_one_of_many_creates_a_key_and_one_pair_is_made(house: House, tokens: MemoryTokens) -> None:
    def create(_: int) -> str:
        try:
            house.create()
        except SignerError as error:
            return error.code
        return DONE

    assert Counter(in_threads(THREADS, create)) == {DONE: 1, "key-name-taken": THREADS - 1}
    assert len(tokens.pairs()) == 1


def test_one_of_many_prepares_and_one_pair_is_made(house: House, tokens: MemoryTokens) -> None:
    house.create()

    def prepare(_: int) -> str:
        try:
            house.prepare()
        except SignerError as error:
            return error.code
        return DONE

    assert Counter(in_threads(THREADS, prepare)) == {DONE: 1, "next-version-exists": THREADS - 1}
    assert house.states() == [S.ACTIVE, S.NEXT]
    assert len(tokens.pairs()) == 2
