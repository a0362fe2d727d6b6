"""How often a reload is tried: ever more rarely while it is of no use, and at once again after it was."""

from __future__ import annotations

import pytest

from hsm.worker.reload import FIRST_INTERVAL, LAST_INTERVAL_LOSS, Budget


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> Budget:
    return Budget(LAST_INTERVAL_LOSS, clock)


def interval(budget: Budget, clock: Clock) -> float:
    """How long until the next reload is due; the clock then stands there."""
    began = clock.now
    while not budget.due:
        clock.now += 0.1
    return clock.now - began


def test_the_first_reload_is_due_at_once(budget: Budget) -> None:
    assert budget.due


def test_a_reload_that_did_not_help_doubles_the_interval_up_to_the_last(budget: Budget, clock: Clock) -> None:
    waits = []
    for _ in range(6):
        budget.note(helped=False)
        assert not budget.due
        waits.append(interval(budget, clock))
    assert waits == pytest.approx([0.4, 0.8, 1.6, 2.0, 2.0, 2.0], abs=0.11)


def test_a_reload_that_helped_begins_anew(budget: Budget, clock: Clock) -> None:
    for _ in range(6):
        budget.note(helped=False)
    budget.note(helped=True)
    assert interval(budget, clock) == pytest.approx(FIRST_INTERVAL, abs=0.11)
