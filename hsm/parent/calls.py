"""Who waits on an event loop for which jobs: one future and one timer for all that a caller asks for together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsm.errors import DeadlineExceeded
from hsm.parent.client import TokenClient
from hsm.parent.jobs import Job

if TYPE_CHECKING:  # as in loop_link
    import asyncio


class Call:
    """Jobs that one caller waits for together: ``done`` is set when each was settled, has failed, or is late."""

    __slots__ = ("_open", "_timer", "done")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.done = loop.create_future()
        self._open: set[Pending] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        """Whether anything is still to come."""
        return bool(self._open)

    def add(self, pending: Pending) -> None:
        """Wait for this one too."""
        self._open.add(pending)

    def finish(self, pending: Pending) -> None:
        """It was settled, or has failed: the last one wakes the caller, if he still waits."""
        self._open.discard(pending)
        if not self._open:
            self.close()

    def until(self, when: asyncio.TimerHandle) -> None:
        """Wait no longer than this timer, which calls ``late``."""
        self._timer = when

    def late(self) -> None:
        """What is still open has failed."""
        for pending in self._open:
            pending.job.failed(
                pending.client, DeadlineExceeded(token=pending.client.config.name, timeout=pending.allowed)
            )
        self.close()

    def close(self) -> None:
        """Nobody waits any more: what is still under way is thrown away when it comes."""
        self._open.clear()
        if self._timer is not None:
            self._timer.cancel()
        wake(self.done)


class Pending:
    """A job that was given to this token. ``allowed``: seconds from then ``until`` it is late."""

    __slots__ = ("allowed", "call", "client", "job", "until")

    def __init__(self, job: Job, client: TokenClient, call: Call, *, until: float, allowed: float) -> None:
        self.job = job
        self.client = client
        self.call = call
        self.until = until
        self.allowed = allowed

    @property
    def awaited(self) -> bool:
        """Whether anybody waits for it."""
        return not self.call.done.done()

    def finish(self) -> None:
        """It was settled, or has failed."""
        self.call.finish(self)


class Message:
    """A batch that was sent. ``hung_at``: when the process counts as hung if it has not answered again by then."""

    __slots__ = ("hung_at", "pending")

    def __init__(self, pending: dict[int, Pending], hung_at: float) -> None:
        self.pending = pending
        self.hung_at = hung_at


def wake(future: asyncio.Future[None]) -> None:
    """Set ``future``, unless whoever waited for it does no more."""
    if not future.done():
        future.set_result(None)
