"""What the recorder's work has cost since it was started, as it tells those who ask."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderFigures:
    """Processor seconds by stage, and how much was done.

    Attributes:
        record: deciding and writing batches in the database, and reading back what was written.
        sign: having checkpoints signed, and verifying them.
        write: putting them into the checkpoint's file.
        other: all the rest of the process: messages of workers, and looking at what others appended.
        tokens: of its token processes, as far as they were looked at.
        notices: of approvals that a receiver took; ``notice_failures``: how often it did not.
    """

    record: float
    sign: float
    write: float
    other: float
    tokens: float
    batches: int
    records: int
    checkpoints: int
    notices: int
    notice_failures: int
