"""Who waits on an event loop for which jobs: one future for all that a caller asks for together, one timer for all.

Or none: a ``Delivery`` hands over each job by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hsm.errors import DeadlineExceeded
from hsm.parent.client import TokenClient
from hsm.parent.jobs import Job

if TYPE_CHECKING:  # as in loop_link
    import asyncio


# What is due within these seconds is late at once.
TOGETHER = 0.005


class Waiting(Protocol):
    """Who waits for jobs."""

    def add(self, pending: Pending) -> None:
        """Wait for this one too."""

    def awaits(self, pending: Pending) -> bool:
        """Whether it is still waited for."""

    def finish(self, pending: Pending) -> None:
        """It was settled, or has failed."""

    def late(self) -> None:
        """What is still open has failed."""


class Deadlines:
    """Ends calls that are late. One timer for all: nearly every call is over long before, and a timer is dear."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, clock: Callable[[], float]) -> None:
        self.loop = loop
        self._clock = clock
        self._open: dict[Waiting, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = float("inf")  # when the timer looks; there may be nothing to end by then

    def add(self, call: Waiting, until: float) -> None:
        """End ``call`` then; ``until`` is a reading of the clock."""
        self._open[call] = until
        if until < self._due:
            self._look_at(until)

    def remove(self, call: Waiting) -> None:
        """It is over."""
        self._open.pop(call, None)

    def close(self) -> None:
        """All calls are over."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, float("inf")

    def _look_at(self, when: float) -> None:
        self.close()
        self._due = when
        self._timer = self.loop.call_later(when - self._clock(), self._look)

    def _look(self) -> None:
        self.close()
        now = self._clock()
        for call in [call for call, until in self._open.items() if until <= now]:
            call.late()
        if self._open:
            self._look_at(min(self._open.values()))


class Call:
    """Jobs that one caller waits for together: ``done`` is set when each was settled, has failed, or is late."""

    __slots__ = ("_deadlines", "_open", "done")

    def __init__(self, deadlines: Deadlines) -> None:
        self.done = deadlines.loop.create_future()
        self._deadlines = deadlines
        self._open: set[Pending] = set()

    @property
    def waits(self) -> bool:
        """Whether anything is still to come."""
        return bool(self._open)

    def add(self, pending: Pending) -> None:
        """Wait for this one too."""
        self._open.add(pending)

    def awaits(self, _: Pending) -> bool:
        """Whether its caller still waits."""
        return not self.done.done()

    def finish(self, pending: Pending) -> None:
        """It was settled, or has failed: the last one wakes the caller, if he still waits."""
        self._open.discard(pending)
        if not self._open:
            self.close()

    def wait_until(self, until: float) -> None:
        """Wait no longer."""
        self._deadlines.add(self, until)

    def late(self) -> None:
        """What is still open has failed."""
        for pending in self._open:
            pending.fail_late()
        self.close()

    def close(self) -> None:
        """Nobody waits any more: what is still under way is thrown away when it comes."""
        self._open.clear()
        self._deadlines.remove(self)
        wake(self.done)


class Delivery:
    """Jobs whose caller goes on without them: ``over`` is called with each that was settled, has failed, or is late.

    ``wanted``: whether anybody still wants the job. Neither may raise.
    """

    __slots__ = ("_deadlines", "_due", "_open", "_over", "_wanted")

    def __init__(self, deadlines: Deadlines, *, wanted: Callable[[Job], bool], over: Callable[[Job], None]) -> None:
        self._deadlines = deadlines
        self._wanted = wanted
        self._over = over
        self._open: set[Pending] = set()
        self._due = float("inf")

    def add(self, pending: Pending) -> None:
        """As ``Call``; each has its own time."""
        self._open.add(pending)
        if pending.until < self._due:
            self._due = pending.until
            self._deadlines.add(self, self._due)

    def awaits(self, pending: Pending) -> bool:
        """Whether it is neither late nor unwanted."""
        return pending in self._open and self._wanted(pending.job)

    def finish(self, pending: Pending) -> None:
        """It was settled, or has failed, and is handed over, unless it was late before."""
        if pending in self._open:
            self._open.remove(pending)
            if not self._open:
                self._over_with_all()
            self._over(pending.job)

    def late(self) -> None:
        """What was due has failed."""
        due = [pending for pending in self._open if pending.until <= self._due + TOGETHER]
        self._open.difference_update(due)
        self._over_with_all()
        if self._open:
            self._due = min(pending.until for pending in self._open)
            self._deadlines.add(self, self._due)
        for pending in due:
            pending.fail_late()
            self._over(pending.job)

    def _over_with_all(self) -> None:
        self._due = float("inf")
        self._deadlines.remove(self)


class Pending:
    """A job that was given to this token. ``allowed``: seconds from then ``until`` it is late."""

    __slots__ = ("allowed", "call", "client", "job", "until")

    def __init__(self, job: Job, client: TokenClient, call: Waiting, *, until: float, allowed: float) -> None:
        self.job = job
        self.client = client
        self.call = call
        self.until = until
        self.allowed = allowed

    @property
    def awaited(self) -> bool:
        """Whether anybody waits for it."""
        return self.call.awaits(self)

    def finish(self) -> None:
        """It was settled, or has failed."""
        self.call.finish(self)

    def fail_late(self) -> None:
        """There was no answer in time."""
        self.job.failed(self.client, DeadlineExceeded(token=self.client.config.name, timeout=self.allowed))


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
