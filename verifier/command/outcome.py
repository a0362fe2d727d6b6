"""What the command reports: one outcome for each artifact, and exit codes."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING

from verifier._record import Record
from verifier.errors import FastExtraMissing, VerificationError

if TYPE_CHECKING:
    from verifier.evidence import Evidence, Inspection

PROGRAM = "artifact-verify"


class ExitCode(enum.IntEnum):
    """What the command's exit code means."""

    VALID = 0
    NOT_VALID = 1
    USAGE = 2
    UNREADABLE = 3
    INTERRUPTED = 128 + 2  # SIGINT
    NOBODY_READS = 128 + 13  # SIGPIPE


class Status(enum.Enum):
    """What became of an artifact."""

    VALID = "valid"
    INSPECTED = "inspected"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    """The operating system does not give it out, or nothing is installed that decompresses it."""


_EXIT_CODES = {
    Status.VALID: ExitCode.VALID,
    Status.INSPECTED: ExitCode.VALID,
    Status.REFUSED: ExitCode.NOT_VALID,
    Status.UNREADABLE: ExitCode.UNREADABLE,
}
# A refused artifact must not hide behind one that could not be read.
_FROM_BEST_TO_WORST = (ExitCode.VALID, ExitCode.UNREADABLE, ExitCode.NOT_VALID)


class Outcome(Record):
    """What became of one artifact; ``result`` is evidence, an inspection, or the reason why there is none."""

    path: str
    result: Evidence | Inspection | VerificationError | OSError

    @property
    def status(self) -> Status:
        """The outcome in one word."""
        from verifier.evidence import Evidence

        if isinstance(self.result, OSError | FastExtraMissing):
            return Status.UNREADABLE
        if isinstance(self.result, VerificationError):
            return Status.REFUSED
        return Status.VALID if isinstance(self.result, Evidence) else Status.INSPECTED

    @property
    def exit_code(self) -> ExitCode:
        """This artifact's part of the command's exit code."""
        return _EXIT_CODES[self.status]


def worst(outcomes: Sequence[Outcome]) -> ExitCode:
    """The exit code of the whole command."""
    return max((outcome.exit_code for outcome in outcomes), key=_FROM_BEST_TO_WORST.index)
