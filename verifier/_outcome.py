"""What the command reports: one outcome for each artifact, and exit codes."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.errors import VerificationError

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


# A refused artifact must not hide behind one that could not be read.
_FROM_BEST_TO_WORST = (ExitCode.VALID, ExitCode.UNREADABLE, ExitCode.NOT_VALID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one artifact; ``result`` is evidence, an inspection, or the reason why there is none."""

    path: str
    result: Evidence | Inspection | VerificationError | OSError

    @property
    def exit_code(self) -> ExitCode:
        """This artifact's part of the command's exit code."""
        if isinstance(self.result, VerificationError):
            return ExitCode.NOT_VALID
        return ExitCode.UNREADABLE if isinstance(self.result, OSError) else ExitCode.VALID


def worst(outcomes: Sequence[Outcome]) -> ExitCode:
    """The exit code of the whole command."""
    return max((outcome.exit_code for outcome in outcomes), key=_FROM_BEST_TO_WORST.index)
