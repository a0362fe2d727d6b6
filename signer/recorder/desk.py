"""What becomes of entries that were taken: recorded, held back until a checkpoint covers them, and answered.

1. That something is on record is told after the commit, when a durable checkpoint covers it, and never before.
   Everything else is told at once.
2. A log that is not the one that was verified stops everything, by name, until a person has looked. What may be over
   for the next process ends this one after a moment, in which it is told.
3. When nobody asks for anything it looks at what others appended, and has that certified too.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from signer.domain.leaves import LeafDraft
from signer.domain.records import Outcome, Recorded
from signer.domain.refusals import RefusalBound, RefusedCall
from signer.domain.token_records import Entry
from signer.domain.verified_log import VerifiedLog
from signer.errors import (
    CheckpointFileDamaged,
    CheckpointFileInUse,
    CheckpointFileMissing,
    CheckpointNotWritten,
    DatabaseDamaged,
    DatabaseFileLost,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
    LogMissing,
    RecorderUnavailable,
    SignerError,
)
from signer.errors.log import TAMPERING
from signer.logs import origin
from signer.recorder.checkpointer import Certified
from signer.recorder.peer import Peer
from signer.recorder.protocol import Answer, Posted, Proved, packed_answer, packed_proof
from signer.recorder.release import Release

logger = logging.getLogger("artifact-signer.recorder")

LOOK_SECONDS = 0.5
MAX_REFUSALS = 1000
# Between two tries of what nobody waits for, at a database that does not answer: batches find out sooner.
TROUBLED_SECONDS = 5.0
# After the last batch, before what nobody waits for is done: a transaction of its own delays the batch that comes next.
QUIET_SECONDS = 0.1
PASSING = (
    CheckpointFileDamaged,
    CheckpointFileInUse,
    CheckpointFileMissing,
    CheckpointNotWritten,
    DatabaseDamaged,
    DatabaseFileLost,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
    LogMissing,
)
PASSING_SECONDS = 2.0
# Between two rounds of removing what is over, where the last one left nothing.
TIDY_SECONDS = 600.0

Answers = dict[int, tuple[Peer, list[tuple[bytes, Answer]]]]
Send = Callable[[Peer, object], None]


class Records(Protocol):
    """Where records are kept, as ``storage`` does it. Every call raises a ``SignerError``."""

    @property
    def verified(self) -> VerifiedLog:
        """The log as far as this process has verified it."""

    def record_many(self, entries: Sequence[Entry]) -> list[Outcome]:
        """An outcome for each entry, durable when the call returns."""

    def look(self) -> None:
        """Take over what others have appended."""

    def prove(self) -> None:
        """As ``look``, and write something durably that is no record."""

    def tell(self, drafts: Sequence[LeafDraft]) -> None:
        """Append leaves that are no signatures."""

    def tidy(self) -> bool:
        """Remove some of what is over; whether there may be more of it."""

    def keep(self, size: int, note: bytes) -> None:
        """Write this checkpoint with the next records, or with ``flush``."""

    def flush(self) -> None:
        """Write the checkpoint that waits."""


class Outside(Protocol):
    """Who is shown what is certified, as ``Witnessing`` does it; never waits."""

    def offer(self, checkpoint: bytes) -> None:
        """Show this signed checkpoint."""

    def stopped(self) -> SignerError | None:
        """What was learnt there for which nothing may be given out any more."""


class Desk:
    """Works on what the server took, and answers by ``send``. For one thread.

    ``records``: None where ``release`` gives nothing out from the start. ``outside``: None where nobody is shown what
    is certified.
    """

    def __init__(
        self,
        *,
        records: Records | None,
        release: Release,
        send: Send,
        outside: Outside | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._records = records
        self._release = release
        self._send = send
        self._outside = outside
        self._offered: Certified | None = None
        self._trouble: str | None = None
        self._next_look = self._next_try = self._quiet_from = 0.0
        self._next_tidy = monotonic() + TIDY_SECONDS
        self._ends: float | None = None
        self._kept = 0
        self._bound = RefusalBound()
        self._refusals: deque[LeafDraft] = deque(maxlen=MAX_REFUSALS)
        self._unwritten = False
        self._held = 0

    @property
    def descriptor(self) -> int | None:
        """Can be read from when there is something to ``settle``."""
        return self._release.descriptor

    @property
    def waiting(self) -> bool:
        """Whether anybody waits for a checkpoint."""
        return self._release.waiting

    @property
    def held(self) -> int:
        """How many answers wait for a checkpoint."""
        return self._held

    @property
    def troubled(self) -> bool:
        """Whether nothing can be given out now."""
        return self._release.trouble is not None

    @property
    def patience(self) -> float:
        """Seconds until ``rest`` has something to do, if nobody asks for anything."""
        if not self._unwritten:
            return LOOK_SECONDS
        left = self._quiet_from - self._monotonic()
        # It may be that the database does not take it.
        return left if left > 0 else QUIET_SECONDS

    @property
    def quiet(self) -> bool:
        """Whether nothing was asked for in the last moment."""
        return self._monotonic() >= self._quiet_from

    def has_to_end(self) -> bool:
        """Whether what stops this process may be over for the next one; it is told to workers for a moment first."""
        if not isinstance(self._release.found, PASSING):
            return False
        self._ends = self._ends or self._monotonic() + PASSING_SECONDS
        return self._monotonic() >= self._ends

    def commit(self, batch: list[tuple[Peer, Posted]]) -> None:
        """Record all of it, and answer."""
        entries = [posted.entry for _, posted in batch]
        before = 0 if self._records is None else self._records.verified.size
        answers = self._recorded(entries)
        now: Answers = {}
        held: Answers = {}
        covering = 0
        for (peer, posted), answer in zip(batch, answers, strict=True):
            told = held if isinstance(answer, Recorded) else now
            told.setdefault(id(peer), (peer, []))[1].append((posted.entry.record_id, answer))
            if isinstance(answer, Recorded):
                covering = max(covering, answer.index + 1)
        self._answer_all(now)
        if held and self._records is not None:
            log = self._records.verified
            size = log.size if log.size > before else covering
            self._held += _count(held)
            self._release.when_covered(log, size, partial(self._answer_held, held))
        self._quiet_from = self._monotonic() + QUIET_SECONDS

    def _recorded(self, entries: Sequence[Entry]) -> Sequence[Answer]:
        self._heed()
        trouble = self._release.trouble
        if trouble is not None or self._records is None:
            return [trouble or RecorderUnavailable()] * len(entries)
        try:
            answers = self._records.record_many(entries)
        except TAMPERING as error:
            self._release.stop(error)
            return [self._release.trouble or error] * len(entries)
        except SignerError as error:
            self._note(error.code, error.code)
            self._next_try = self._monotonic() + TROUBLED_SECONDS
            return [error] * len(entries)
        except Exception as error:  # noqa: BLE001  (the recorder goes on; nothing of this batch is given out)
            self._note("unforeseen", origin(error))
            return [RecorderUnavailable()] * len(entries)
        self._note(None, "")
        return answers

    def _answer_held(self, held: Answers, said: Certified | SignerError) -> None:
        self._held -= _count(held)
        if isinstance(said, Certified):
            self._answer_all(held, size=said.size)
            return
        failed: Answers = {
            place: (peer, [(record_id, said) for record_id, _ in answers]) for place, (peer, answers) in held.items()
        }
        self._answer_all(failed)

    def _answer_all(self, answers: Answers, *, size: int = 0) -> None:
        for peer, told in answers.values():
            self._send(peer, {"outcomes": [packed_answer(record_id, answer, size=size) for record_id, answer in told]})

    def tell(self, refused: Sequence[RefusedCall]) -> None:
        """Put refusals on record, as far as they are not too many; they are certified with the next look.

        Those for which the database does not answer, or while nothing can be certified, wait for that look or a later
        one, the newest of them.
        """
        drafts = self._bound.drafts(refused, now=self._monotonic())
        lost = len(self._refusals) + len(drafts) - MAX_REFUSALS
        if lost > 0:
            logger.error("refusals that are not put on record, since too many wait already: %d", lost)
        self._refusals += drafts
        if self._refusals:
            self._attempt(self._tell_refusals)
            self._next_look = 0.0

    def _tell_refusals(self) -> None:
        if self._records is not None and self._refusals and self._release.trouble is None:
            self._records.tell(list(self._refusals))
            self._refusals.clear()

    def settle(self) -> None:
        """Take over what has become of the checkpoints that were under way."""
        self._release.settle()
        certified = self._release.certified
        if certified is not None and self._records is not None and certified.size > self._kept:
            self._records.keep(certified.size, certified.note)
            self._kept, self._unwritten = certified.size, True
        self._heed()

    def _heed(self) -> None:
        """Show what is certified to those outside, and take from them that the log was rolled back."""
        certified = self._release.certified
        if self._outside is None or self._release.found is not None:
            return
        if certified is not None and certified is not self._offered:
            self._offered = certified
            self._outside.offer(certified.note)
        stopped = self._outside.stopped()
        if stopped is not None:
            self._release.stop(stopped)

    def rest(self) -> None:
        """Nobody asks for anything: look at what others did, and write what is to be written some time."""
        self._heed()
        if self._records is None or self._release.found is not None:
            return
        now = self._monotonic()
        if now >= self._next_try and (self._has_to_write or now >= self._next_look):
            failure = self._attempt(self._look)
            if failure is None and now >= self._next_tidy:
                failure = self._attempt(self._tidy)
            # A batch that comes meanwhile waits for what is tried here.
            self._next_try = self._monotonic() + (TROUBLED_SECONDS if failure is not None else 0.0)

    def _tidy(self) -> None:
        if self._records is not None:
            more = self._records.tidy()
            self._next_tidy = self._monotonic() + (LOOK_SECONDS if more else TIDY_SECONDS)

    def prove(self, provers: list[tuple[Peer, int]]) -> None:
        """Answer those who ask whether records become durable."""
        self._heed()
        failure = self._release.found and self._release.trouble
        if failure is None and self._records is not None:
            failure = self._attempt(self._records.prove)
        if failure is not None or self._records is None:
            self._tell_provers(provers, failure or RecorderUnavailable())
        else:
            # Signed and written once more, also where nothing has changed: so token and disk are proved as well.
            self._release.certify(self._records.verified, partial(self._tell_provers, provers))

    @property
    def _has_to_write(self) -> bool:
        """Whether no batch comes soon that the checkpoint could be written with."""
        return self._unwritten and self.quiet

    def _look(self) -> None:
        if self._records is None:
            return
        if self._has_to_write:
            self._records.flush()
            self._unwritten = False
        if self._monotonic() < self._next_look:
            return
        self._records.look()
        self._next_look = self._monotonic() + LOOK_SECONDS
        self._tell_refusals()
        log, release = self._records.verified, self._release
        if log.size > release.ordered or release.trouble is not None or release.certified is None:
            release.certify(log)

    def _attempt(self, step: Callable[[], None]) -> SignerError | None:
        """What the step fails with; tampering stops everything."""
        try:
            step()
        except TAMPERING as error:
            self._release.stop(error)
            return self._release.trouble
        except SignerError as error:
            return error
        except Exception as error:  # noqa: BLE001  (the recorder goes on, and says that it cannot)
            self._note("unforeseen", origin(error))
            return RecorderUnavailable()
        return None

    def _tell_provers(self, provers: list[tuple[Peer, int]], said: Certified | SignerError) -> None:
        failure = None if isinstance(said, Certified) else said
        for peer, number in provers:
            self._send(peer, packed_proof(Proved(number, failure)))

    def _note(self, trouble: str | None, told: str) -> None:
        if trouble == self._trouble:
            return
        if trouble is None:
            logger.info("signatures are recorded again")
        else:
            logger.error("signatures cannot be recorded: %s", told)
        self._trouble = trouble


def _count(answers: Answers) -> int:
    return sum(len(told) for _, told in answers.values())
