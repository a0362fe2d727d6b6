"""Jobs that were asked for together and come back one by one.

1. What its first token settles is told in that turn of the loop, without a future or a task of its own.
2. What its first token fails goes on alone, by a task, as a job does that was asked for alone: it holds up no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from hsm.errors import TokenUnavailable
from hsm.parent.calls import Deadlines, Delivery
from hsm.parent.client import TokenClient
from hsm.parent.jobs import Job
from hsm.parent.loop_link import LoopLink
from hsm.parent.routing import Ask

if TYPE_CHECKING:  # as in loop_link
    import asyncio


class Ways(Protocol):
    """The ways to the tokens."""

    def link(self, client: TokenClient) -> LoopLink | None:
        """That to this one; None: it is closed."""

    @property
    def closed(self) -> bool:
        """Whether all of them are."""

    async def finish(self, job: Job) -> None:
        """Bring ``job`` to its outcome."""


class Errand:
    """One for each time that jobs are asked for. ``numbers``: of the jobs, in their order."""

    def __init__(
        self,
        deadlines: Deadlines,
        ways: Ways,
        numbers: Mapping[Job, int],
        *,
        wanted: Callable[[int], bool],
        settled: Callable[[int, bytes | Exception], None],
    ) -> None:
        self._deadlines = deadlines
        self._ways = ways
        self._numbers = numbers
        self._wanted = wanted
        self._settled = settled
        self._delivery = Delivery(deadlines, wanted=self._is_wanted, over=self._over)
        self._alone: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Give each job to its first token."""
        for job in self._numbers:
            step = job.route.step()
            link = self._ways.link(step.client) if isinstance(step, Ask) else None
            if link is None or not isinstance(step, Ask) or not link.submit(job, step.until, self._delivery):
                self._go_alone(job)

    def _is_wanted(self, job: Job) -> bool:
        return self._wanted(self._numbers[job])

    def _over(self, job: Job) -> None:
        if job.outcome is not None:
            self._settled(self._numbers[job], job.outcome)
        elif self._is_wanted(job):
            self._go_alone(job)

    def _go_alone(self, job: Job) -> None:
        if self._ways.closed:
            self._settled(self._numbers[job], _closed())
            return
        task = self._deadlines.loop.create_task(self._finished(job))
        self._alone.add(task)
        task.add_done_callback(self._alone.discard)

    async def _finished(self, job: Job) -> None:
        outcome: bytes | Exception = _closed()
        try:
            await self._ways.finish(job)
            outcome = job.outcome or outcome
        except Exception as error:  # noqa: BLE001  (an outcome for it, whatever happened)
            outcome = error
        finally:
            self._settled(self._numbers[job], outcome)


def _closed() -> TokenUnavailable:
    return TokenUnavailable(token="", reason="closed")
