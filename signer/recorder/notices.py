"""Tells a receiver of requests that wait for approvals, beside everything else: no request waits for it.

1. One thread with an event loop, in the one recorder of a machine. It looks at what waits every ``pace`` seconds, so
   nothing is queued but what the table of proposals holds, which is bounded.
2. A notice is sent again until it is taken, with growing pauses in which the receiver is left in peace; after
   ``MOST_TRIES`` it is given up. One that is not taken holds up no other for longer than that pause.
3. A round sends ``MOST_AT_ONCE`` at most, each within the time of one exchange. Whatever is no success is a failure,
   redirects too.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from signer.addresses import Address
from signer.domain.approval_notices import NOT_OVER, Notice, Told, due_notices
from signer.domain.approvals import Proposal, Standing
from signer.errors import SignerError
from signer.http_exchange import ExchangeFailed, Limits, exchange
from signer.logs import origin
from signer.notices_file import NoticesFile, NoticesReport
from signer.webhook_secret import WebhookSecretUnusable, read_secret, signed_headers

logger = logging.getLogger("artifact-signer.recorder")

PACE_SECONDS = 2.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 600.0
MOST_TRIES = 12
MOST_AT_ONCE = 20
MOST_ANSWER_BYTES = 64 * 1024
CLOSING_SECONDS = 5.0
SUCCESSES = range(200, 300)
JSON_FIELD = ("Content-Type", "application/json")

Waiting = Sequence[tuple[Proposal, Standing]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who is told. ``secret_file``: of what notices are signed with, read for each of them."""

    address: Address
    secret_file: Path
    ca_file: Path | None = None
    seconds: float = 10.0


class Notices:
    """``close`` ends the thread.

    Args:
        look: what there is now; called in threads, may block and raise what a database raises.
        file: where it is kept what was told.
    """

    def __init__(
        self,
        *,
        receiver: Receiver,
        look: Callable[[], Waiting],
        file: NoticesFile,
        clock: Callable[[], datetime],
        pace: float = PACE_SECONDS,
        first_pause: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self._receiver = receiver
        self._look = look
        self._file = file
        self._clock = clock
        self._pace = pace
        self._first_pause = first_pause
        report = file.read() or NoticesReport()
        self._told: dict[str, Told] = dict(report.told)
        self._failure = report.failure
        self._tries: dict[str, int] = {}
        self._failed_rounds = 0
        self.taken = self.failures = 0
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._rounds())
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; what is under way is given up, and told again by the next one."""
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(CLOSING_SECONDS)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    async def _rounds(self) -> None:
        while True:
            try:
                done = await self._round()
            except SignerError as error:
                # The database: whoever signs tells of it, and this tries again.
                logger.warning("what waits for approvals cannot be looked at: %s", error)
                done = True
            except Exception as error:  # noqa: BLE001  (what is not foreseen must not end the telling)
                logger.error("notices of approvals: %s", origin(error))  # noqa: TRY400  (one line)
                done = False
            self._failed_rounds = 0 if done else self._failed_rounds + 1
            await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        if not self._failed_rounds:
            return self._pace
        return max(self._pace, min(self._first_pause * 2.0 ** (self._failed_rounds - 1), LONGEST_PAUSE_SECONDS))

    async def _round(self) -> bool:
        """Whether all that was sent was taken."""
        waiting = await asyncio.to_thread(self._look)
        there = {proposal.id for proposal, _ in waiting}
        self._told = {id_: told for id_, told in self._told.items() if id_ in there or told in NOT_OVER}
        due = sorted(due_notices(self._told, waiting), key=lambda notice: self._tries.get(notice.message_id, 0))
        self._tries = {each.message_id: self._tries.get(each.message_id, 0) for each in due}
        for notice in due[:MOST_AT_ONCE]:
            failure = await self._failure_of(notice)
            self._tries[notice.message_id] += 1
            if failure is None or self._tries[notice.message_id] >= MOST_TRIES:
                self._note(notice, there)
            self._count(notice, failure)
            if failure is not None:
                return False
        return True

    async def _failure_of(self, notice: Notice) -> str | None:
        receiver, at = self._receiver, self._clock()
        body = notice.body(at)
        try:
            secret = await asyncio.to_thread(read_secret, receiver.secret_file)
            tls = await asyncio.to_thread(ssl.create_default_context, cafile=receiver.ca_file)
            answer = await exchange(
                receiver.address,
                "POST",
                "" if receiver.address.prefix else "/",
                body,
                tls=tls,
                limits=Limits(seconds=receiver.seconds, body_bytes=MOST_ANSWER_BYTES),
                headers=(JSON_FIELD, *signed_headers(secret, notice.message_id, int(at.timestamp()), body)),
            )
        except WebhookSecretUnusable as error:
            return f"the secret file {error}"
        except OSError as error:
            return f"the CA file cannot be used: {error.strerror or 'no certificates'}"
        except ExchangeFailed as error:
            return str(error)
        return None if answer.status in SUCCESSES else f"it answers with status {answer.status}"

    def _note(self, notice: Notice, there: set[str]) -> None:
        if notice.proposal in there:
            self._told[notice.proposal] = notice.told
        else:
            self._told.pop(notice.proposal, None)

    def _count(self, notice: Notice, failure: str | None) -> None:
        if failure is not None and failure != self._failure:
            logger.error("the receiver of approvals' notices does not take %s: %s", notice.message_id, failure)
        elif failure is None and self._failure is not None:
            logger.info("the receiver of approvals' notices takes them again")
        self._failure = failure
        try:
            self._file.write(NoticesReport(told=self._told, failure=failure))
        except OSError as error:
            logger.error("what was told of approvals cannot be kept: %s", error.strerror)  # noqa: TRY400  (one line)
        self.taken += failure is None
        self.failures += failure is not None
