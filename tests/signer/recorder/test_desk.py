"""The desk: what nobody waits for is left until nothing was asked for in a while."""

from __future__ import annotations

import pytest

from signer.domain.keys import UNBOUNDED, VersionState
from signer.domain.recording import VersionNow
from signer.domain.refusals import PER_MINUTE, RefusedCall
from signer.domain.verified_log import VerifiedLog
from signer.errors import DatabaseUnavailable
from signer.recorder.checkpointer import Certified
from signer.recorder.desk import LOOK_SECONDS, MAX_REFUSALS, QUIET_SECONDS, TIDY_SECONDS, Desk
from signer.recorder.protocol import Posted
from signer.recorder.release import Release
from tests.support.books import TOLERANCE, entry
from tests.support.clock import ManualClock
from tests.support.memory_records import MemorySignatureRecords
from tests.support.recorders import MemoryLog

A_LITTLE = 0.001


class AtOnce:
    """A checkpoint for whatever is ordered, at once."""

    descriptor = 0

    def __init__(self) -> None:
        self._done: list[Certified] = []

    def order(self, log: VerifiedLog) -> int:
        """As the port."""
        self._done.append(Certified(order=log.size, size=log.size, note=b"note of %d" % log.size))
        return log.size

    def results(self) -> list[Certified]:
        """As the port."""
        done, self._done = self._done, []
        return done


class Scene:
    """A desk over records in memory, at a time that the test sets."""

    def __init__(self, clock: ManualClock) -> None:
        records = MemorySignatureRecords(clock=clock, clock_tolerance=TOLERANCE)
        records.versions[1] = VersionNow(
            state=VersionState.ACTIVE, validity=UNBOUNDED, signature_count=0, last_signed_at=None
        )
        self.now = 1000.0
        self.log = MemoryLog(records)
        self.desk = Desk(
            records=self.log,
            release=Release(AtOnce()),
            send=lambda *_: None,
            monotonic=lambda: self.now,
        )

    def record(self, name: object) -> None:
        """A batch, its checkpoint, and a turn in which nothing came."""
        self.desk.commit([(None, Posted(entry(1, name), self.now + 1))])  # type: ignore[list-item]
        self.desk.settle()
        self.desk.rest()


@pytest.fixture
def scene(clock: ManualClock) -> Scene:
    return Scene(clock)


class TestRefusals:
    """They wait for a database that does not answer, the newest of them."""

    @staticmethod
    def refused(*names: object) -> list[RefusedCall]:
        return [RefusedCall(identity=f"api-token:{name}", key="firmware", reason="no") for name in names]

    def test_those_that_wait_are_told_with_the_next_look(self, scene: Scene) -> None:
        scene.log.untold = DatabaseUnavailable()
        scene.desk.tell(self.refused("one"))
        scene.desk.tell(self.refused("two"))
        assert scene.log.told == []
        scene.log.untold = None
        scene.desk.rest()
        assert [draft.actor for draft in scene.log.told] == ["api-token:one", "api-token:two"]
        scene.now += 2 * LOOK_SECONDS
        scene.desk.rest()
        assert len(scene.log.told) == 2

    def test_more_than_can_wait_are_lost_the_oldest_first_and_that_is_said(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        scene.log.untold = DatabaseUnavailable()
        scene.desk.tell(self.refused(*range(MAX_REFUSALS)))
        scene.desk.tell(self.refused("last", "very last"))
        scene.log.untold = None
        scene.desk.rest()
        assert len(scene.log.told) == MAX_REFUSALS
        assert [draft.actor for draft in scene.log.told[:: MAX_REFUSALS - 1]] == ["api-token:2", "api-token:very last"]
        assert "too many wait already: 2" in caplog.text

    def test_a_caller_has_no_more_leaves_for_having_waited(self, scene: Scene) -> None:
        scene.log.untold = DatabaseUnavailable()
        scene.desk.tell(self.refused(*["one"] * 100))
        scene.log.untold = None
        scene.desk.rest()
        assert len(scene.log.told) == PER_MINUTE


class TestQuiet:
    def test_between_batches_no_transaction_is_made_for_a_checkpoint(self, scene: Scene) -> None:
        for number in range(50):
            scene.record(number)
            scene.now += QUIET_SECONDS / 2
        assert (len(scene.log.kept), scene.log.flushed) == (50, 0)

    def test_after_a_moment_without_batches_the_newest_one_is_written_once(self, scene: Scene) -> None:
        scene.record("one")
        scene.now += QUIET_SECONDS - A_LITTLE
        scene.desk.rest()
        assert (scene.desk.quiet, scene.log.flushed) == (False, 0)
        scene.now += 2 * A_LITTLE
        scene.desk.rest()
        scene.desk.rest()
        assert (scene.desk.quiet, scene.log.flushed) == (True, 1)

    def test_it_is_patient_until_then_and_no_longer(self, scene: Scene) -> None:
        assert scene.desk.patience == LOOK_SECONDS
        scene.record("one")
        assert scene.desk.patience == pytest.approx(QUIET_SECONDS)
        scene.now += QUIET_SECONDS / 2
        assert scene.desk.patience == pytest.approx(QUIET_SECONDS / 2)
        scene.now += QUIET_SECONDS
        assert scene.desk.patience == QUIET_SECONDS  # and not 0: the database may refuse it for long
        scene.desk.rest()
        assert scene.desk.patience == LOOK_SECONDS

    def test_what_others_appended_is_looked_at_between_batches_too(self, scene: Scene) -> None:
        scene.record("one")
        looked = scene.log.looked
        for number in range(25):
            scene.now += LOOK_SECONDS / 10
            scene.record(number)
        assert scene.log.looked == looked + 2


class TestWhatIsOver:
    """It is removed now and then, in rounds that follow each other only while there is more."""

    def test_there_is_a_round_after_a_while_and_no_other_until_the_next(self, scene: Scene) -> None:
        scene.desk.rest()
        assert scene.log.tidied == 0
        scene.now += TIDY_SECONDS
        for _ in range(5):
            scene.desk.rest()
            scene.now += LOOK_SECONDS
        assert scene.log.tidied == 1

    def test_rounds_go_on_while_there_is_more(self, scene: Scene) -> None:
        scene.log.untidy = 3
        scene.now += TIDY_SECONDS
        for _ in range(8):
            scene.desk.rest()
            scene.now += LOOK_SECONDS
        assert scene.log.tidied == 3
