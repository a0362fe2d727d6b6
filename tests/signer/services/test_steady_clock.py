"""A clock that leaps while the service runs: nothing signs by it, and nothing is put on record by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from signer.bootstrap import sql_parts
from signer.errors import ClockLeapt
from signer.services.clock import MAX_LEAP, SteadyClock
from signer.storage.database import Database
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, KEY, SIGNER, House, settings
from tests.support.memory_tokens import MemoryTokens

SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class Time:
    """A wall clock that can be set, and a monotonic one that cannot."""

    wall: ManualClock
    ticks: float = 1000.0

    def passes(self, seconds: float) -> None:
        self.ticks += seconds
        self.wall.advance(seconds=seconds)


@pytest.fixture
def time(clock: ManualClock) -> Time:
    return Time(wall=clock)


@pytest.fixture
def steady(time: Time) -> SteadyClock:
    return SteadyClock(clock=time.wall, monotonic=lambda: time.ticks)


LEAPS = {
    "a year forward": timedelta(days=365),
    "an hour back": timedelta(hours=-1),
    "a second more than allowed": MAX_LEAP + SECOND,
}


@pytest.mark.parametrize("sentence", LEAPS)
def test_a_leap_is_noticed_and_stays_noticed(time: Time, steady: SteadyClock, sentence: str) -> None:
    time.passes(86400)
    steady.check()
    time.wall.now += LEAPS[sentence]
    for _ in range(3):
        with pytest.raises(ClockLeapt) as refusal:
            steady.check()
        assert refusal.value.facts == {"seconds": LEAPS[sentence].total_seconds()}
        time.passes(3600)


def test_a_clock_that_is_set_back_to_where_it_was_is_believed_again(time: Time, steady: SteadyClock) -> None:
    time.wall.now += timedelta(days=1)
    with pytest.raises(ClockLeapt):
        steady.check()
    time.passes(10)
    time.wall.now -= timedelta(days=1)
    steady.check()


def test_what_a_time_server_does_all_day_does_not_add_up(time: Time, steady: SteadyClock) -> None:
    for _ in range(1000):
        time.passes(60)
        time.wall.now += SECOND
        steady.check()


@pytest.fixture
def house(sqlite_url: str, tmp_path: Path, time: Time) -> Iterator[House]:
    chosen, tokens = settings(sqlite_url, tmp_path, ("one",)), MemoryTokens("one")
    database = Database(chosen.database)
    parts = sql_parts(chosen, database=database, tokens=tokens, clock=time.wall, monotonic=lambda: time.ticks)
    house = House.of(chosen, parts, database)
    yield house
    house.close()
    database.close()


def test_nothing_is_signed_or_recorded_by_a_clock_that_leapt(house: House, time: Time) -> None:
    house.create()
    before = (house.store.all_keys(), house.events())
    time.wall.now += timedelta(days=365)
    with pytest.raises(ClockLeapt):
        house.sign(SIGNER)
    with pytest.raises(ClockLeapt):
        house.create("other")
    with pytest.raises(ClockLeapt):
        house.prepare()
    assert (house.store.all_keys(), house.events()) == before
    found = house.application.readiness.prove()
    assert [(item.name, item.code) for item in found.conditions if item.code] == [("clock", "clock-leapt")]
    assert not found.ready
    time.wall.now -= timedelta(days=365)
    house.sign(SIGNER)
    time.passes(1)
    assert house.application.readiness.prove().ready


def test_a_version_is_switched_off_whatever_the_clock_does(house: House, time: Time) -> None:
    house.create()
    time.wall.now -= timedelta(days=365)
    house.lifecycle.disable(ADMIN, KEY, 1)
    *_, before, last = house.events()
    assert last.at == before.at
    assert "clock" in last.event.after
