"""Looks at a log once, or again and again, and says how bad what was found is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from signer.answers import ClientError
from signer.errors import CheckpointStale, LogEntryWrong, LogInconsistent, LogUnreadable, SignerError
from signer.log.source import PartUnusable
from signer.monitor.following import Follower, Smaller
from signer.monitor.seen import Seen

STALE_SECONDS = 10.0
"""For so long a log may show less than was seen: workers and machines need not know the newest at once."""
STALE_LOOK_SECONDS = 0.5


class Outcome(IntEnum):
    """What came of looking; the exit codes of ``artifact-signer log monitor``."""

    NOTHING = 0
    UNEXPECTED = 1
    NOT_LOOKED = 2
    INCONSISTENT = 3


# What is certain counts before what is not known.
_GRAVITY = (Outcome.NOTHING, Outcome.NOT_LOOKED, Outcome.UNEXPECTED, Outcome.INCONSISTENT)


def worse(one: Outcome, other: Outcome) -> Outcome:
    """The graver of two."""
    return max(one, other, key=_GRAVITY.index)


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks at a log, and again.

    Attributes:
        seen: what was seen so far.
        contradicted: called once with what contradicts it, to be remembered.
        alarm: called with each error.
        wait: waits so many seconds; True where it was told to stop.
    """

    follower: Follower
    seen: Seen
    contradicted: Callable[[Seen, LogInconsistent], None]
    alarm: Callable[[SignerError | ClientError], None]
    wait: Callable[[float], bool]
    monotonic: Callable[[], float]

    def once(self) -> Outcome:
        """One look, which may take some more seconds where the log shows less than was seen."""
        try:
            self._look()
        except LogInconsistent as error:
            self.contradicted(self.seen, error)
            return self._alarmed(error, Outcome.INCONSISTENT)
        except LogEntryWrong as error:
            return self._alarmed(error, Outcome.INCONSISTENT)
        except CheckpointStale as error:
            return self._alarmed(error, Outcome.UNEXPECTED)
        except PartUnusable as error:
            return self._alarmed(LogUnreadable(source=error.path, reason=error.problem), Outcome.NOT_LOOKED)
        except (SignerError, ClientError) as error:
            return self._alarmed(error, Outcome.NOT_LOOKED)
        return Outcome.NOTHING

    def until_stopped(self, seconds: float, told: Callable[[], bool]) -> Outcome:
        """A look every so many seconds, until ``wait`` says to stop or the log is not one log.

        ``told``: whether something was told so far.
        """
        gravest = Outcome.NOTHING
        while True:
            last = self.once()
            if last is not Outcome.NOT_LOOKED:
                gravest = worse(gravest, last)
            if gravest is Outcome.INCONSISTENT or self.wait(seconds):
                return worse(worse(gravest, last), Outcome.UNEXPECTED if told() else Outcome.NOTHING)

    def _look(self) -> None:
        latest = self.monotonic() + STALE_SECONDS
        while isinstance(found := self.follower.look(self.seen), Smaller):
            if self.monotonic() >= latest or self.wait(STALE_LOOK_SECONDS):
                raise CheckpointStale(seen_size=found.seen_size, shown_size=found.shown_size)
        self.seen = found

    def _alarmed(self, error: SignerError | ClientError, outcome: Outcome) -> Outcome:
        self.alarm(error)
        return outcome
