"""A token's process as an event loop reaches it: no thread between a request and its answer.

1. Everything here runs on the loop's thread; only ``_told`` is called by others, and it only calls the loop.
2. What is asked for in one turn of the loop goes out in one message, and no more than ``MAX_ITEMS`` are under way: what
   comes meanwhile gathers and goes together.
3. An answer that comes after its caller has gone is thrown away; it still has to come, or the process counts as hung.
4. The channel is this link's from ``claim`` on: given back or closed here, or the supervisor's with a hung process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

from hsm.errors import TokenError, TokenUnavailable
from hsm.parent.batches import Parcel
from hsm.parent.calls import Message, Pending, Waiting, wake
from hsm.parent.child import Channel, ChannelClosed, Child
from hsm.parent.client import TokenClient
from hsm.parent.jobs import Job
from hsm.parent.signature_check import SignatureCheck
from hsm.protocol.messages import Op, ReplyMessage, Status
from hsm.protocol.signing import MAX_ITEMS, unpack_answers
from hsm.protocol.values import WireError

if TYPE_CHECKING:  # it takes longer to import than all the rest, and most who import this have no event loop
    import asyncio

_LAST = Status.DONE
_ANSWERS = (Status.ITEM, _LAST)
ANSWERS_PER_TURN = 16  # verified before the loop turns to others: about a millisecond


class LoopLink:
    """One for each token; ``close`` ends it."""

    def __init__(
        self,
        client: TokenClient,
        check: SignatureCheck,
        loop: asyncio.AbstractEventLoop,
        *,
        clock: Callable[[], float],
        watches: tuple[AbstractContextManager[object], AbstractContextManager[object]],
    ) -> None:
        self._client = client
        self._name = client.config.name
        self._sign_timeout = client.config.sign_timeout
        self._channels = client.channels
        self._check = check
        self._exchanging, self._verifying = watches
        self._loop = loop
        self._clock = clock
        self._child: Child | None = None
        self._channel: Channel | None = None
        self._queue: deque[Pending] = deque()
        self._messages: dict[int, Message] = {}
        self._under_way = 0
        self._flushing = False
        self._look_out: asyncio.TimerHandle | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._channels.watch(self._told)
        self._look()

    def submit(self, job: Job, until: float, call: Waiting) -> bool:
        """Give ``job`` to this token, for ``call``: it waits until the job was settled here, or failed here.

        False: it failed at once, and nobody waits for it.
        """
        if self._channel is None:
            self._look()  # it may have been published in this very moment
        if self._channel is None:
            job.failed(self._client, self._client.status.unavailable())
            return False
        pending = Pending(job, self._client, call, until=until, allowed=until - self._clock())
        call.add(pending)
        self._queue.append(pending)
        self._client.loop_load += 1
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        return True

    async def wait_ready(self, until: float) -> bool:
        """Wait for a process; False at ``until``, or at once where none will come by itself."""
        self._look()
        while self._channel is None:
            left = until - self._clock()
            if left <= 0 or not self._client.status.coming:
                return False
            changed = self._loop.create_future()
            self._waiters.append(changed)
            timer = self._loop.call_later(left, wake, changed)
            await changed
            timer.cancel()
        return True

    def close(self) -> None:
        """Everything that is under way ends as unavailable."""
        self._channels.unwatch(self._told)
        self._let_go(TokenUnavailable(token=self._name, reason="closed"))

    # --- who serves ------------------------------------------------------------------------------------------------

    def _told(self) -> None:
        """From another thread, which holds the token's lock: a process was published or withdrawn."""
        with suppress(RuntimeError):  # the loop was closed: nobody waits
            self._loop.call_soon_threadsafe(self._changed)

    def _changed(self) -> None:
        self._look()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            wake(waiter)

    def _look(self) -> None:
        """Find out who serves now."""
        if self._child is not None and not self._channels.serves(self._child):
            self._let_go(self._ended())
        if self._channel is None and (claimed := self._channels.claim()) is not None:
            self._child, self._channel = claimed
            self._loop.add_reader(self._channel.fileno(), self._readable)

    def _let_go(self, error: TokenError, *, hung: bool = False) -> None:
        """The process serves no more; everything given to it has failed with ``error``."""
        child, channel = self._child, self._channel
        self._child = self._channel = None
        idle = not self._messages  # no answer can come any more that the next owner would take for its own
        if self._look_out is not None:
            self._look_out.cancel()
            self._look_out = None
        if child is not None and channel is not None:
            with suppress(RuntimeError):  # the loop was closed before
                self._loop.remove_reader(channel.fileno())
            if hung:
                self._channels.forsake(child, channel)
            elif idle and self._channels.serves(child):
                self._channels.unclaim(child, channel)
            else:
                channel.close()
        failed = [*self._queue, *(item for message in self._messages.values() for item in message.pending.values())]
        self._queue.clear()
        self._messages.clear()
        self._under_way = 0
        self._client.loop_load = 0
        for pending in failed:
            if pending.awaited:
                pending.job.failed(self._client, error)
            pending.finish()

    def _ended(self) -> TokenError:
        return TokenUnavailable(token=self._name, reason="process ended", retry_after=1.0)

    def _gone(self) -> None:
        """The process has ended or makes no sense: nobody else is to try it."""
        child = self._child
        self._let_go(self._ended())
        if child is not None:
            self._channels.drop(child)

    # --- messages --------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Send what has gathered."""
        self._flushing = False
        with self._exchanging:
            self._post()

    def _post(self) -> None:
        while self._queue and self._channel is not None and self._under_way < MAX_ITEMS:
            parcel, taken = Parcel(self._client), list[Pending]()
            while self._queue and self._under_way + len(taken) < MAX_ITEMS:
                pending = self._queue[0]
                if pending.awaited:
                    before = len(parcel.jobs)
                    if not parcel.add(pending.job, pending.until):
                        break
                    if len(parcel.jobs) > before:
                        taken.append(self._queue.popleft())
                        continue
                    pending.finish()  # this token cannot do it, and the job knows
                self._queue.popleft()
                self._client.loop_load -= 1
            if taken and not self._sent(parcel, taken):
                return

    def _sent(self, parcel: Parcel, taken: list[Pending]) -> bool:
        assert self._channel is not None  # noqa: S101  (looked at by the caller)
        try:
            number = self._channel.post(Op.SIGN, parcel.body())
        except ChannelClosed:
            self._queue.extendleft(reversed(taken))
            self._gone()
            return False
        if number is None:  # no room: answers are on their way, and after them there is
            self._queue.extendleft(reversed(taken))
            return False
        self._messages[number] = Message(dict(enumerate(taken)), self._clock() + self._sign_timeout)
        self._under_way += len(taken)
        if self._look_out is None:
            self._look_out = self._loop.call_later(self._sign_timeout, self._look_for_hang)
        return True

    def _readable(self) -> None:
        left = ANSWERS_PER_TURN
        try:
            while left > 0:
                with self._exchanging:
                    reply = None if self._channel is None else self._channel.arrived()
                if reply is None:
                    break
                left -= self._answered(reply)
                if not self._messages:  # whatever comes now was not asked for, and the loop calls again for it
                    break
        except (ChannelClosed, WireError):
            self._gone()
            return
        if self._queue and not self._flushing:
            self._flush()

    def _answered(self, reply: ReplyMessage) -> int:
        """Settle what is answered; returns how many."""
        message = self._messages.get(reply.id)
        if message is None or reply.status not in _ANSWERS:
            raise WireError("an answer to what was not asked")
        message.hung_at = self._clock() + self._sign_timeout
        answers = unpack_answers(reply.body)
        with self._verifying:
            for number, outcome in answers:
                pending = message.pending.pop(number, None)
                if pending is None:
                    raise WireError("an answer to what was not asked")
                self._under_way -= 1
                self._client.loop_load -= 1
                if pending.awaited:
                    pending.job.settle(self._client, outcome, self._check)
                pending.finish()
        if (reply.status is _LAST) is bool(message.pending):
            raise WireError("an end that is none")
        if not message.pending:
            del self._messages[reply.id]
        return len(answers)

    # --- deadlines -------------------------------------------------------------------------------------------------

    def _look_for_hang(self) -> None:
        self._look_out = None
        if not self._messages:
            return
        left = min(message.hung_at for message in self._messages.values()) - self._clock()
        if left > 0:
            self._look_out = self._loop.call_later(left, self._look_for_hang)
        else:
            self._let_go(TokenUnavailable(token=self._name, reason="hung", retry_after=1.0), hung=True)
