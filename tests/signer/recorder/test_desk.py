"""The desk: what nobody waits for is left until nothing was asked for in a while."""

from __future__ import annotations

import pytest

from signer.domain.keys import UNBOUNDED, VersionState
from signer.domain.recording import VersionNow
from signer.domain.verified_log import VerifiedLog
from signer.recorder.checkpointer import Certified
from signer.recorder.desk import LOOK_SECONDS, QUIET_SECONDS, Desk
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
