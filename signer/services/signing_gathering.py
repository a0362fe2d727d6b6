"""Single calls for signatures that come at the same time go together, as far as nothing holds them up.

1. What comes in one turn of the event loop is a group: decided by what is remembered, with one look at what is on
   record, and given to the token's process together.
2. Nobody waits for another one of the group. Each signature goes to the recorder when it has come, with those that came
   in the same turn. A call that has to ask for anything, or fails anywhere, leaves the group: its own task goes on.
3. Whoever does not wait any more is left out at the next step. What was sent to the recorder by then stays on record.
4. A group has one deadline, that of its first call. Whatever happens to a group ends all that wait in it.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from signer.domain.messages import Message
from signer.domain.records import Recorded
from signer.domain.requests import signed_sha256
from signer.errors import ServiceBusy, SignerError
from signer.services.clock import SteadyClock
from signer.services.known_records import KnownRecords
from signer.services.ports import Recorder
from signer.services.signing import AsyncMessageSigner, SigningKey, signing_key
from signer.services.signing_calls import Job, Place, SigningCall, end, entry_of, message_of
from signer.services.signing_steps import SigningSteps
from signer.services.stages import Stages


class Joined:
    """A call in its group. ``woken``: its job has a result, or has left the group without one, and nobody waits for it.

    ``going_on``: what comes next for a job that was tried and has left; None for one that is still to be decided.
    """

    __slots__ = ("going_on", "group", "job", "woken")

    def __init__(self, job: Job, group: Group, woken: asyncio.Future[None]) -> None:
        self.job = job
        self.group = group
        self.woken = woken
        self.going_on: Callable[[], Awaitable[None]] | None = None

    @property
    def waits(self) -> bool:
        """Whether anybody waits for what the group makes of it."""
        return not self.woken.done()

    def wake(self) -> None:
        """Its caller goes on."""
        if not self.woken.done():
            self.woken.set_result(None)

    def leave(self, going_on: Callable[[], Awaitable[None]] | None = None) -> None:
        """Its caller goes on, and with it alone."""
        self.going_on = going_on
        self.wake()

    def end(self, error: Exception) -> None:
        """Its caller goes on with this, unless it has gone on already."""
        if self.waits:
            end([self.job], error)
            self.wake()


class Group:
    """Calls that came together. ``made``: signatures, on record or not; ``signed``: whose wait to be recorded."""

    __slots__ = ("calls", "deadline", "made", "signed")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.calls: list[Joined] = []
        self.made: dict[Place, bytes] = {}
        self.signed: list[Joined] = []


class SigningGathering:
    """For one event loop."""

    def __init__(
        self,
        *,
        records: KnownRecords,
        steps: SigningSteps,
        signer: AsyncMessageSigner,
        recorder: Recorder,
        clock: SteadyClock,
        timeout: float,
        stages: Stages,
    ) -> None:
        self._records = records
        self._steps = steps
        self._signer = signer
        self._recorder = recorder
        self._clock = clock
        self._timeout = timeout
        self._stages = stages
        self._group: Group | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def join(self, call: SigningCall) -> Joined:
        """Take the call into the group of this turn of the loop."""
        loop = asyncio.get_running_loop()
        group = self._group
        if group is None:
            group = self._group = Group(loop.time() + self._timeout)
            self._start(self._begin(group))
        joined = Joined(Job(call, signed_sha256(call.request)), group, loop.create_future())
        group.calls.append(joined)
        return joined

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        # The loop itself holds no task that waits.
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begin(self, group: Group) -> None:
        self._group = None
        with _Ending(group.calls):
            self._clock.check()
            decided = await self._stages.decide.over(self._decided(group))
            signed = [each for each in decided if each.job.place in group.made]
            if signed:
                self._to_be_recorded(group, signed)
            if len(signed) < len(decided):
                self._ask(group, [each for each in decided if each.job.place not in group.made])

    async def _decided(self, group: Group) -> list[Joined]:
        """The calls that may go on together; the others have left. ``made``: what is on record of them."""
        now = self._clock()
        decided = []
        for each in group.calls:
            if self._steps.decide_at_once(each.job, now):
                decided.append(each)
            else:
                each.leave()
        if not decided:
            return []
        group.made.update(await self._records.signatures({each.job.place for each in decided}))
        # A revision that came with what is on record may say that what was remembered has passed.
        passed = [each for each in decided if not self._records.is_current(each.job.revision)]
        for each in passed:
            each.leave()
        return [each for each in decided if each.waits] if passed else decided

    def _ask(self, group: Group, calls: Sequence[Joined]) -> None:
        """Have each manifest signed once; ``_settled`` is told what came of it."""
        now = self._clock()
        places: dict[Place, list[Joined]] = {}
        asked: list[tuple[SigningKey, Message]] = []
        for each in calls:
            job = each.job
            job.result = self._steps.blocked(job, now)
            if job.result is not None:
                each.wake()
            elif job.place in places:
                places[job.place].append(each)
            elif (key := _key_of(job)) is None:
                each.leave()
            else:
                asked.append((key, message_of(job.call.request)))
                places[job.place] = [each]
        if asked:
            parties = list(places.values())
            self._signer.ask_each(
                asked,
                timeout=group.deadline - asyncio.get_running_loop().time(),
                wanted=lambda number: _wait(parties[number]),
                settled=lambda number, outcome: self._settled(group, parties[number], outcome),
            )

    def _settled(self, group: Group, calls: Sequence[Joined], outcome: bytes | Exception) -> None:
        if isinstance(outcome, bytes):
            group.made[calls[0].job.place] = base64.b64encode(outcome)
            self._to_be_recorded(group, calls)
        else:
            for each in calls:
                each.leave(partial(self._steps.fail, each.job, outcome))

    def _to_be_recorded(self, group: Group, calls: Sequence[Joined]) -> None:
        if len(group.calls) == 1:
            # Nothing gathers with it: its own task goes on, which saves a turn of the loop.
            (alone,) = calls
            alone.leave(partial(self._record_alone, group, alone.job))
            return
        if not group.signed:
            self._start(self._record(group))
        group.signed.extend(calls)

    async def _record_alone(self, group: Group, job: Job) -> None:
        with self._stages.record:
            entry = entry_of(job, group.made[job.place])
        recording = self._recorder.record_many([entry], deadline=group.deadline)
        (outcome,) = await self._stages.record.over(recording)
        await self._steps.recorded(job, entry, outcome)

    async def _record(self, group: Group) -> None:
        """Record what was signed until this turn of the loop."""
        signed, group.signed = group.signed, []
        with _Ending(signed):
            await self._stages.record.over(self._recorded(group, [each for each in signed if each.waits]))

    async def _recorded(self, group: Group, calls: Sequence[Joined]) -> None:
        if not calls:
            return
        entries = [entry_of(each.job, group.made[each.job.place]) for each in calls]
        outcomes = await self._recorder.record_many(entries, deadline=group.deadline)
        for each, entry, outcome in zip(calls, entries, outcomes, strict=True):
            if isinstance(outcome, Recorded):
                self._steps.release(each.job, entry, outcome)
                each.wake()
            else:
                each.leave(partial(self._steps.recorded, each.job, entry, outcome))


def _wait(calls: Sequence[Joined]) -> bool:
    """Whether any of them still does. Asked several times for each signature."""
    for each in calls:  # noqa: SIM110  (a generator costs more than the look)
        if not each.woken.done():
            return True
    return False


def _key_of(job: Job) -> SigningKey | None:
    """What signs; None where it cannot, which is to be told to this caller alone."""
    try:
        return signing_key(job.key, job.version)
    except SignerError:
        return None


class _Ending:
    """What goes wrong within ends the calls; nothing else does."""

    def __init__(self, calls: Sequence[Joined]) -> None:
        self._calls = calls

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        if error is not None:
            for each in self._calls:
                each.end(error if isinstance(error, Exception) else ServiceBusy())
        return isinstance(error, Exception)
