"""Measures the recorder's work: at each batch and each checkpoint, of which there are far fewer than signatures."""

from __future__ import annotations

import time
from collections.abc import Callable

from signer.domain.recorder_figures import RecorderFigures
from signer.domain.verified_log import VerifiedLog
from signer.recorder.checkpointer import Slots

Clock = Callable[[], float]


class Meter:
    """Batches are measured in one thread, checkpoints in one other; whoever asks for the ``figures`` may be any.

    Args:
        thread: processor seconds of the calling thread.
        process: those of the whole process.
        tokens: those of the token processes.
        notices: how many notices of approvals were taken, and how often one was not; None where nobody is told.
    """

    def __init__(
        self,
        *,
        tokens: Clock,
        notices: Callable[[], tuple[int, int]] | None = None,
        thread: Clock = time.thread_time,
        process: Clock = time.process_time,
    ) -> None:
        self._tokens = tokens
        self._notices = notices
        self._thread = thread
        self._process = process
        self._record = self._sign = self._write = 0.0
        self._batches = self._records = self._checkpoints = 0

    def recording(self, records: int) -> _Recording:
        """Stands around recording a batch of so many."""
        return _Recording(self, records)

    def recorded(self, records: int, *, begun: float) -> None:
        """A batch of so many, begun when ``now`` was that."""
        self._record += self._thread() - begun
        self._batches += 1
        self._records += records

    @property
    def now(self) -> float:
        """Processor seconds of the calling thread."""
        return self._thread()

    def signing(self, sign: Callable[[VerifiedLog], bytes]) -> Callable[[VerifiedLog], bytes]:
        """``sign``, measured."""

        def measured(log: VerifiedLog) -> bytes:
            begun = self._thread()
            try:
                return sign(log)
            finally:
                self._sign += self._thread() - begun

        return measured

    def writing(self, slots: Slots) -> Slots:
        """``slots``, whose writing is measured."""
        return _MeasuredSlots(slots, self)

    def write(self, slots: Slots, note: bytes, log: VerifiedLog) -> None:
        """Write a checkpoint."""
        begun = self._thread()
        try:
            slots.write(note=note, log=log)
        finally:
            self._write += self._thread() - begun
            self._checkpoints += 1

    def figures(self) -> RecorderFigures:
        """All of it so far."""
        taken, failures = (0, 0) if self._notices is None else self._notices()
        known = self._record + self._sign + self._write
        return RecorderFigures(
            record=self._record,
            sign=self._sign,
            write=self._write,
            other=max(0.0, self._process() - known),
            tokens=self._tokens(),
            batches=self._batches,
            records=self._records,
            checkpoints=self._checkpoints,
            notices=taken,
            notice_failures=failures,
        )


class _Recording:
    __slots__ = ("_begun", "_meter", "_records")

    def __init__(self, meter: Meter, records: int) -> None:
        self._meter = meter
        self._records = records

    def __enter__(self) -> None:
        self._begun = self._meter.now

    def __exit__(self, *_: object) -> None:
        self._meter.recorded(self._records, begun=self._begun)


class _MeasuredSlots:
    def __init__(self, slots: Slots, meter: Meter) -> None:
        self._slots = slots
        self._meter = meter

    def write(self, *, note: bytes, log: VerifiedLog) -> None:
        self._meter.write(self._slots, note, log)
