"""Ids of leaves: each is another one, and those that are made together stand together."""

from __future__ import annotations

import time

import pytest

from signer.domain.leaves import LEAF_ID_BYTES, new_leaf_id

MANY = 10_000
MILLISECOND = 1_000_000


def test_none_is_made_twice_at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_900_000_000 * 1000 * MILLISECOND)
    made = {new_leaf_id() for _ in range(MANY)}
    assert len(made) == MANY
    assert {len(each) for each in made} == {LEAF_ID_BYTES}


def test_a_later_one_stands_behind_an_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [moment * MILLISECOND for moment in (0, 1, 255, 256, 1_800_000_000_000, 1_900_000_000_000)]
    clock = iter(moments)
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    made = [new_leaf_id() for _ in moments]
    assert made == sorted(made)


@pytest.mark.parametrize("moment", [-1, 1 << 90])
def test_a_clock_that_is_out_of_its_mind_stops_none(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: moment)
    assert len(new_leaf_id()) == LEAF_ID_BYTES
