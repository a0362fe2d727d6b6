"""When a batch begins: at once for who is alone, with the others for who was not."""

from __future__ import annotations

import pytest

from signer.recorder.gathering import COMMITS, ENOUGH, MEMORY_SECONDS, PATIENCE_SECONDS, Gathering

PAUSE = 0.01


class Scene:
    """Commits one after another, ``PAUSE`` apart."""

    def __init__(self) -> None:
        self.gathering = Gathering()
        self.now = 1000.0

    def came(self, waiting: int, held: int = 0) -> float:
        """So many are there now; how long they still wait."""
        self.gathering.came(self.now, waiting=waiting, held=held)
        return self.left(waiting)

    def left(self, waiting: int) -> float:
        """How long so many still wait."""
        return self.gathering.left(self.now, waiting=waiting)

    def commit(self, waiting: int, held: int = 0) -> None:
        """So many came together, and are committed."""
        self.came(waiting, held)
        self.gathering.begun(self.now)
        self.now += PAUSE

    def commits(self, *found: int) -> None:
        """Commits that found so many each."""
        for each in found:
            self.commit(each)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_nobody_waits_where_nobody_is(scene: Scene) -> None:
    scene.commits(*[8] * COMMITS)
    assert scene.left(0) == 0


def test_who_asks_alone_never_waits(scene: Scene) -> None:
    for _ in range(10):
        assert scene.came(1) == 0
        scene.gathering.begun(scene.now)
        scene.now += PAUSE


def test_as_many_are_waited_for_as_were_here(scene: Scene) -> None:
    scene.commits(*[8] * COMMITS)
    assert [scene.came(waiting) > 0 for waiting in range(1, 10)] == [True] * 7 + [False] * 2


def test_those_whose_answers_are_held_back_were_here_too(scene: Scene) -> None:
    """Two workers that take turns: four are committed while four of the other wait for their checkpoint."""
    for _ in range(COMMITS):
        scene.commit(4, held=4)
    assert scene.came(4) > 0
    assert scene.came(8) == 0


def test_the_most_that_were_here_count_not_the_last(scene: Scene) -> None:
    for _ in range(COMMITS):
        scene.came(1, held=7)
        scene.commit(2, held=0)
    assert scene.came(7) > 0


def test_a_batch_waits_from_its_first_record_on(scene: Scene) -> None:
    scene.commits(*[8] * COMMITS)
    first = scene.now
    assert scene.came(1) == pytest.approx(PATIENCE_SECONDS)
    scene.now = first + PATIENCE_SECONDS / 2
    assert scene.came(2) == pytest.approx(PATIENCE_SECONDS / 2)
    scene.now = first + PATIENCE_SECONDS * 1.01
    assert scene.left(2) == 0


def test_what_is_no_record_begins_no_batch(scene: Scene) -> None:
    scene.commits(*[8] * COMMITS)
    scene.came(0, held=8)
    scene.now += PATIENCE_SECONDS
    assert scene.came(1) == pytest.approx(PATIENCE_SECONDS)


def test_the_next_batch_has_a_time_of_its_own(scene: Scene) -> None:
    scene.commits(*[8] * (COMMITS + 1))
    assert scene.came(1) == pytest.approx(PATIENCE_SECONDS)


@pytest.mark.parametrize(
    "found", [(), (8,), (8, 8), (1, 8, 8), (8, 1, 8), (8, 8, 1)], ids=lambda found: "-".join(map(str, found)) or "none"
)
def test_who_was_met_by_chance_is_not_waited_for(scene: Scene, found: tuple[int, ...]) -> None:
    scene.commits(*found)
    assert scene.came(1) == 0


def test_those_who_do_not_come_again_are_waited_for_once(scene: Scene) -> None:
    scene.commits(*[8] * COMMITS)
    assert scene.came(5) > 0
    scene.now += PATIENCE_SECONDS
    scene.gathering.begun(scene.now)
    scene.now += PAUSE
    assert scene.came(5) == 0


def test_so_many_are_enough(scene: Scene) -> None:
    scene.commits(*[10 * ENOUGH] * COMMITS)
    assert scene.came(ENOUGH - 1) > 0
    assert scene.came(ENOUGH) == 0


def test_what_was_a_while_ago_says_nothing(scene: Scene) -> None:
    scene.commits(*[8] * COMMITS)
    scene.now += MEMORY_SECONDS
    assert scene.came(1) == 0
    scene.gathering.begun(scene.now)
    assert scene.came(1) == 0
