"""Lends the channels of a token's process to the threads that need one.

Who may close what:

1. A free channel is the pool's: it is closed when its process is withdrawn.
2. A borrowed channel is its borrower's, who closes it on giving it back if its process serves no more. Nobody else
   may: the kernel gives the number of a closed descriptor to the next socket, and the borrower would read from that.
3. A channel that was left behind is the supervisor's. It is lent again only after its late answer was thrown away,
   since the next borrower would take that answer for its own.
4. The channel of an event loop is the pool's until it is claimed, and then the loop's, for the life of its process.

All lists, ``load`` and the current process are guarded by the token's one lock, ``TokenStatus.lock``.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hsm.errors import DeadlineExceeded
from hsm.parent.child import Channel, Child
from hsm.parent.status import TokenStatus
from hsm.protocol.records import Capabilities


@dataclass(slots=True, eq=False)
class Lease:
    """A borrowed channel. ``hung_at``: when the process counts as hung if it has not answered by then.

    ``weight``: how many requests it stands for.
    """

    owner: ChannelPool
    child: Child
    channel: Channel
    control: bool
    weight: int = 1
    hung_at: float = 0.0


@dataclass(slots=True, eq=False)
class Published:
    """A process that takes requests, with its free channels."""

    child: Child
    for_loop: Channel | None
    control: list[Channel]
    free: list[Channel]


class ChannelPool:
    """Thread-safe; every wait ends at a deadline, which is a reading of ``clock``."""

    def __init__(self, status: TokenStatus, *, clock: Callable[[], float], wake: Callable[[], None]) -> None:
        self._status = status
        self._clock = clock
        self._wake = wake
        self._lock = status.lock
        # One for each kind of channel, and those who wait for it in their order: without it, whoever asks again and
        # again can take every channel before a thread that was woken for it has the lock.
        self._freed = {control: threading.Condition(self._lock) for control in (False, True)}
        self._queues: dict[bool, deque[object]] = {control: deque() for control in (False, True)}
        self._current: Published | None = None
        self._left: list[Lease] = []
        self._watchers: list[Callable[[], None]] = []
        self.load = 0  # requests that are being answered or wait for a channel

    def borrow(self, *, control: bool, deadline: float, weight: int = 1) -> Lease:
        """A channel of the current process; raises what the token's state says, or that it is busy too long."""
        with self._lock:
            self.load += weight
            in_turn = self._wait_in_turn(control, deadline)
            if self._current is None:
                self.load -= weight
                raise self._status.unavailable()
            if not in_turn:
                self.load -= weight
                raise DeadlineExceeded(token=self._status.name, reason="all channels are in use")
            return Lease(self, self._current.child, self._channels(self._current, control).pop(), control, weight)

    def _wait_in_turn(self, control: bool, deadline: float) -> bool:
        """Wait for a channel behind those who came before; whether there is one, or no process, before the deadline."""
        queue, turn = self._queues[control], object()
        queue.append(turn)
        try:
            return self._freed[control].wait_for(
                lambda: self._current is None or (queue[0] is turn and bool(self._channels(self._current, control))),
                deadline - self._clock(),
            )
        finally:
            queue.remove(turn)
            if queue:
                # There may be another free channel, for whoever is first now.
                self._freed[control].notify_all()

    def give_back(self, lease: Lease) -> None:
        """The channel is free again."""
        with self._lock:
            self.load -= lease.weight
            if self._current is None or self._current.child is not lease.child:
                lease.channel.close()
                return
            self._channels(self._current, lease.control).append(lease.channel)
            self._freed[lease.control].notify_all()

    def leave(self, lease: Lease) -> None:
        """Nobody waits for this answer any more; the supervisor decides what it means that there was none."""
        with self._lock:
            if self._current is None or self._current.child is not lease.child:
                self.load -= lease.weight
                lease.channel.close()
                return
            self._left.append(lease)
        self._wake()

    def left_behind(self) -> list[Lease]:
        """The channels whose answers nobody waits for, for the supervisor."""
        with self._lock:
            return list(self._left)

    def recover(self, lease: Lease) -> None:
        """The answer that nobody waited for has come."""
        with self._lock:
            if lease in self._left:
                self._left.remove(lease)
        self.give_back(lease)

    def publish(self, child: Child, capabilities: Capabilities) -> None:
        """The process is ready for requests: in the same moment, the token is."""
        control, for_loop, *free = child.channels
        with self._lock:
            self._current = Published(child, for_loop=for_loop, control=[control], free=free)
            self._status.opened(capabilities, child.popen.pid)
            self._tell_all()

    def claim(self) -> tuple[Child, Channel] | None:
        """The current process and its channel for an event loop, which is the caller's from now on; only once."""
        with self._lock:
            if self._current is None or self._current.for_loop is None:
                return None
            channel, self._current.for_loop = self._current.for_loop, None
            return self._current.child, channel

    def unclaim(self, child: Child, channel: Channel) -> None:
        """The event loop needs it no more, and waits for no answer."""
        with self._lock:
            if self._current is not None and self._current.child is child:
                self._current.for_loop = channel
            else:
                channel.close()

    def forsake(self, child: Child, channel: Channel) -> None:
        """The event loop waited too long for answers: its channel is the supervisor's now, and the process hung."""
        self.leave(Lease(self, child, channel, control=False, weight=0, hung_at=self._clock()))

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher`` when a process is published or withdrawn: with the lock held, so it only tells others."""
        with self._lock:
            self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call it no more."""
        with self._lock:
            self._watchers.remove(watcher)

    def drop(self, child: Child) -> None:
        """The process was seen to be dead, or makes no sense: nobody else is to try it."""
        with self._lock:
            if self.serves(child):
                self._close_free()
                self._status.lost()
        self._wake()

    def serves(self, child: Child) -> bool:
        """Whether requests go to this process."""
        current = self._current
        return current is not None and current.child is child

    def withdraw(self) -> None:
        """No process takes requests. The supervisor says why in the same hold of the lock."""
        with self._lock:
            self._close_free()
            for lease in self._left:
                lease.channel.close()
            self.load -= sum(lease.weight for lease in self._left)
            self._left = []

    def _close_free(self) -> None:
        # Borrowed channels stay open: rule 2.
        if self._current is not None:
            for channel in (*self._current.control, *self._current.free, self._current.for_loop):
                if channel is not None:
                    channel.close()
        self._current = None
        self._tell_all()

    def _tell_all(self) -> None:
        for condition in self._freed.values():
            condition.notify_all()
        for watcher in self._watchers:
            watcher()

    @staticmethod
    def _channels(current: Published, control: bool) -> list[Channel]:
        return current.control if control else current.free
