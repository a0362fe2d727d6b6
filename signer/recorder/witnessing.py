"""Has the configured witnesses sign the log's checkpoints, beside everything else: no signature waits for them.

1. One thread with an event loop. What is offered replaces what was offered before; a round asks all witnesses at once
   for the newest, and rounds are at least ``pace`` seconds apart. Who did not sign is asked again in the next. A
   checkpoint that more have signed gives way to a newer one only when all have been asked for that.
2. A checkpoint that the log's own key signed and that is larger than the committed log is the proof that the log was
   rolled back: ``stopped`` tells it from then on. Everything else that a witness does is an alarm until it signs.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from signer.errors import LogRolledBack, SignerError, WitnessUnreachable
from signer.http_exchange import Limits
from signer.logs import origin
from signer.recorder.witness_round import AskedWitness, Asking, CommittedLog
from signer.witness.asking import cosigned_note
from verifier.log import NoteSignature, VerifierKey

logger = logging.getLogger("artifact-signer.recorder")

PACE_SECONDS = 10.0
CLOSING_SECONDS = 5.0


class Witnessing:
    """``offer`` is called with each new checkpoint and returns at once; ``close`` ends the thread.

    Args:
        log_keys: the keys that the log's checkpoints are signed with, now.
        pace: seconds between two rounds at least.
        report: called in the thread with ``cosigned`` and ``alarms`` each time that one of them has changed.
    """

    def __init__(
        self,
        *,
        witnesses: Sequence[AskedWitness],
        log_keys: Callable[[], Sequence[VerifierKey]],
        log: CommittedLog,
        limits: Limits,
        pace: float = PACE_SECONDS,
        report: Callable[[bytes | None, Mapping[str, SignerError]], None] = lambda *_: None,
    ) -> None:
        self._asked = tuple(Asking(witness=each, log=log, log_keys=log_keys, limits=limits) for each in witnesses)
        self._pace = pace
        self._report = report
        self._alarms: dict[str, SignerError] = {}
        self._offered: bytes | None = None
        self._cosigned: bytes | None = None
        self._cosigners = 0
        self._stopped: LogRolledBack | None = None
        self._loop = asyncio.new_event_loop()
        self._wake = asyncio.Event()
        self._task = self._loop.create_task(self._rounds())
        self._thread = threading.Thread(target=self._run, name="witnessing", daemon=True)
        self._thread.start()

    def offer(self, checkpoint: bytes) -> None:
        """Have this signed checkpoint cosigned, in place of older ones."""
        self._offered = checkpoint
        self._loop.call_soon_threadsafe(self._wake.set)

    def cosigned(self) -> bytes | None:
        """The newest checkpoint that a witness signed, with the lines of all that did."""
        return self._cosigned

    def alarms(self) -> Mapping[str, SignerError]:
        """Of each witness that did not sign when it was asked last: why, by its name."""
        return dict(self._alarms)

    def stopped(self) -> LogRolledBack | None:
        """Why nothing may be signed any more."""
        return self._stopped

    def close(self) -> None:
        """End the thread; what is under way is given up."""
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(CLOSING_SECONDS)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    async def _rounds(self) -> None:
        lines: dict[str, NoteSignature] = {}
        checkpoint: bytes | None = None
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._offered != checkpoint:
                checkpoint, lines = self._offered, {}
            if checkpoint is not None:
                await asyncio.gather(*(self._ask(asked, checkpoint, lines) for asked in self._asked))
                self._put(checkpoint, lines)
            await asyncio.sleep(self._pace)
            if self._alarms:
                self._wake.set()

    async def _ask(self, asked: Asking, checkpoint: bytes, lines: dict[str, NoteSignature]) -> None:
        name = asked.witness.name
        if name in lines:
            return
        try:
            line = await asked.signature(checkpoint)
        except LogRolledBack as error:
            self._stopped = self._stopped or error
            self._alarm(name, error)
        except SignerError as error:
            self._alarm(name, error)
        except Exception as error:  # noqa: BLE001  (what is not foreseen must not end the asking of the others)
            self._alarm(name, WitnessUnreachable(witness=name, reason=origin(error)))
        else:
            self._signed(name)
            if line is not None:
                lines[name] = line
                if len(lines) >= self._cosigners:
                    self._put(checkpoint, lines)

    def _put(self, checkpoint: bytes, lines: Mapping[str, NoteSignature]) -> None:
        """Show who signed this checkpoint, in place of what was shown."""
        note = cosigned_note(checkpoint, list(lines.values())) if lines else None
        if note is not None and note != self._cosigned:
            self._cosigned, self._cosigners = note, len(lines)
            self._tell()

    def _alarm(self, name: str, error: SignerError) -> None:
        before = self._alarms.get(name)
        self._alarms[name] = error
        if before is None or str(before) != str(error):
            logger.error("witness %s does not sign: %s", name, error)
            self._tell()

    def _signed(self, name: str) -> None:
        if self._alarms.pop(name, None) is not None:
            logger.info("witness %s signs again", name)
            self._tell()

    def _tell(self) -> None:
        try:
            self._report(self._cosigned, dict(self._alarms))
        except OSError as error:
            logger.error("what witnesses signed cannot be told: %s", error.strerror)  # noqa: TRY400  (one line)
