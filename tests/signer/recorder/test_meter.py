"""What the recorder's work costs, told by stage."""

from __future__ import annotations

import pytest

from signer.domain.verified_log import VerifiedLog
from signer.errors import CheckpointNotWritten
from signer.recorder.meter import Meter

LOG = VerifiedLog()


class Processor:
    """Spends what the test says."""

    def __init__(self) -> None:
        self.spent = 0.0
        self.failing = False

    def seconds(self) -> float:
        """The clock."""
        return self.spent

    def sign(self, _log: VerifiedLog) -> bytes:
        """As the port; costs 2."""
        self._spend(2)
        return b"note"

    def write(self, *, note: bytes, log: VerifiedLog) -> None:
        """As the port; costs 4."""
        assert (note, log) == (b"note", LOG)
        self._spend(4)

    def _spend(self, seconds: float) -> None:
        self.spent += seconds
        if self.failing:
            raise CheckpointNotWritten(path="p", reason="r")


@pytest.fixture
def processor() -> Processor:
    return Processor()


@pytest.fixture
def meter(processor: Processor) -> Meter:
    return Meter(tokens=lambda: 32.0, thread=processor.seconds, process=lambda: processor.spent + 16)


def test_each_stage_has_its_own_time_and_the_rest_is_other(meter: Meter, processor: Processor) -> None:
    with meter.recording(3):
        processor.spent += 1
    assert meter.signing(processor.sign)(LOG) == b"note"
    meter.writing(processor).write(note=b"note", log=LOG)
    figures = meter.figures()
    assert (figures.record, figures.sign, figures.write, figures.other, figures.tokens) == (1, 2, 4, 16, 32)
    assert (figures.batches, figures.records, figures.checkpoints) == (1, 3, 1)


def test_what_fails_was_paid_for_too(meter: Meter, processor: Processor) -> None:
    processor.failing = True
    with pytest.raises(CheckpointNotWritten), meter.recording(2):
        processor._spend(1)
    with pytest.raises(CheckpointNotWritten):
        meter.signing(processor.sign)(LOG)
    with pytest.raises(CheckpointNotWritten):
        meter.writing(processor).write(note=b"note", log=LOG)
    figures = meter.figures()
    assert (figures.record, figures.sign, figures.write) == (1, 2, 4)
    assert (figures.batches, figures.records, figures.checkpoints) == (1, 2, 1)


def test_nothing_is_below_nothing() -> None:
    clocks = iter((0.0, 5.0))
    meter = Meter(tokens=lambda: 0.0, thread=lambda: next(clocks), process=lambda: 4.0)
    with meter.recording(1):
        pass
    assert meter.figures().other == 0
