"""Answers that wait for the checkpoint that covers them.

1. What tells that a signature is on record leaves with a durable checkpoint over its leaf, and not before.
2. Where there can be no checkpoint, nothing is given out and nothing more is recorded: everybody is told why, by name.
   A token that does not answer is asked again and again; for what else stops it a person has to look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from signer.domain.verified_log import VerifiedLog
from signer.errors import CheckpointNotWritten, LogStopped, SignerError
from signer.recorder.checkpointer import Certified, Failed

logger = logging.getLogger("artifact-signer.recorder")

# Called with the checkpoint that covers, or with why there is none.
Waiting = Callable[[Certified | SignerError], None]


class Certifier(Protocol):
    """What has checkpoints made, as ``Checkpointer`` does."""

    @property
    def descriptor(self) -> int:
        """Can be read from when there are results."""

    def order(self, log: VerifiedLog) -> int:
        """Have ``log`` certified; gives the number of the order."""

    def results(self) -> list[Certified | Failed]:
        """What has become of orders since the last call."""


@dataclass(slots=True)
class _Held:
    order: int
    tell: Waiting


class Release:
    """Holds answers back. For one thread.

    ``certifier``: None where nothing can be given out from the start. ``certified``: what is durable already.
    """

    def __init__(self, certifier: Certifier | None, *, certified: Certified | None = None) -> None:
        self._certifier = certifier
        self._held: list[_Held] = []
        self._ordered = 0 if certified is None else certified.size
        self._last_order = 0
        self._certified = certified
        self._trouble: SignerError | None = None
        self._found: SignerError | None = None

    @property
    def descriptor(self) -> int | None:
        """Can be read from when there is something to ``settle``."""
        return None if self._certifier is None else self._certifier.descriptor

    @property
    def trouble(self) -> SignerError | None:
        """Why nothing can be given out now; None where nothing is known to stand in the way."""
        return self._trouble

    @property
    def found(self) -> SignerError | None:
        """Why this process will give nothing out any more."""
        return self._found

    @property
    def waiting(self) -> bool:
        """Whether anybody waits."""
        return bool(self._held)

    @property
    def ordered(self) -> int:
        """How many leaves are certified, or will be by what is under way."""
        return self._ordered

    @property
    def certified(self) -> Certified | None:
        """The newest checkpoint that is durable."""
        return self._certified

    def certify(self, log: VerifiedLog, tell: Waiting | None = None) -> None:
        """Have ``log`` certified, also where it is already, and tell so."""
        if self._certifier is None or self._found is not None:
            if tell is not None:
                tell(self._trouble or LogStopped(reason=""))
            return
        self._ordered, self._last_order = log.size, self._certifier.order(log)
        if tell is not None:
            self._held.append(_Held(self._last_order, tell))

    def when_covered(self, log: VerifiedLog, size: int, tell: Waiting) -> None:
        """Tell as soon as a checkpoint covers the first ``size`` leaves of ``log``: at once where one does."""
        if self._certified is not None and self._certified.size >= size:
            tell(self._certified)
        elif self._ordered < log.size:
            self.certify(log, tell)
        else:
            self._held.append(_Held(self._last_order, tell))

    def settle(self) -> None:
        """Take over what has become of the checkpoints that were under way."""
        for result in self._certifier.results() if self._certifier is not None else ():
            if self._found is not None:
                continue
            if isinstance(result, Certified):
                self._succeed(result)
            elif isinstance(result.failure, CheckpointNotWritten):
                self.stop(result.failure)
            else:
                self._fail(result)

    def stop(self, found: SignerError) -> None:
        """Give nothing out any more, whatever is under way: the log is not what it has to be."""
        if self._found is not None:
            return
        logger.error("nothing is signed any more: %s", found)
        self._found = found
        self._trouble = found if isinstance(found, CheckpointNotWritten) else LogStopped(reason=found.code)
        self._tell(self._last_order, self._trouble)

    def _succeed(self, certified: Certified) -> None:
        self._certified = certified
        if self._trouble is not None:
            logger.info("checkpoints are signed again")
            self._trouble = None
        self._tell(certified.order, certified)

    def _fail(self, failed: Failed) -> None:
        if self._trouble is None or self._trouble.facts != failed.failure.facts:
            logger.error("nothing is given out: %s", failed.failure)
        self._trouble = failed.failure
        # What was ordered is still to be certified.
        self._ordered = 0 if self._certified is None else self._certified.size
        self._tell(failed.order, failed.failure)

    def _tell(self, order: int, said: Certified | SignerError) -> None:
        due = [each for each in self._held if each.order <= order]
        self._held = [each for each in self._held if each.order > order]
        for each in due:
            each.tell(said)
