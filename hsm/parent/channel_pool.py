"""Lends the channels of a token's process to the threads that need one.

Who may close what:

1. A free channel is the pool's: it is closed when its process is withdrawn.
2. A borrowed channel is its borrower's, who closes it on giving it back if its process serves no more. Nobody else
   may: the kernel gives the number of a closed descriptor to the next socket, and the borrower would read from that.
3. A channel that was left behind is the supervisor's. It is lent again only after its late answer was thrown away,
   since the next borrower would take that answer for its own.

All lists, ``load`` and the current process are guarded by the token's one lock, ``TokenStatus.lock``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from hsm.errors import DeadlineExceeded
from hsm.parent.child import Channel, Child
from hsm.parent.status import TokenStatus
from hsm.protocol.records import Capabilities


@dataclass(slots=True, eq=False)
class Lease:
    """A borrowed channel. ``hung_at``: when the process counts as hung if it has not answered by then."""

    child: Child
    channel: Channel
    control: bool
    hung_at: float = 0.0


@dataclass(slots=True, eq=False)
class Published:
    """A process that takes requests, with its free channels."""

    child: Child
    control: list[Channel] = field(default_factory=list)
    free: list[Channel] = field(default_factory=list)


class ChannelPool:
    """Thread-safe; every wait ends at a deadline, which is a reading of ``clock``."""

    def __init__(self, status: TokenStatus, *, clock: Callable[[], float], wake: Callable[[], None]) -> None:
        self._status = status
        self._clock = clock
        self._wake = wake
        self._lock = status.lock
        # One for each kind of channel, so that giving one back wakes exactly one thread that can use it.
        self._freed = {control: threading.Condition(self._lock) for control in (False, True)}
        self._current: Published | None = None
        self._left: list[Lease] = []
        self.load = 0  # requests that are being answered or wait for a channel

    def borrow(self, *, control: bool, deadline: float) -> Lease:
        """A channel of the current process; raises what the token's state says, or that it is busy too long."""
        with self._lock:
            self.load += 1
            self._freed[control].wait_for(
                lambda: self._current is None or self._channels(self._current, control), deadline - self._clock()
            )
            if self._current is None:
                self.load -= 1
                raise self._status.unavailable()
            channels = self._channels(self._current, control)
            if not channels:
                self.load -= 1
                raise DeadlineExceeded(token=self._status.name, reason="all channels are in use")
            return Lease(self._current.child, channels.pop(), control)

    def give_back(self, lease: Lease) -> None:
        """The channel is free again."""
        with self._lock:
            self.load -= 1
            if self._current is None or self._current.child is not lease.child:
                lease.channel.close()
                return
            self._channels(self._current, lease.control).append(lease.channel)
            self._freed[lease.control].notify()

    def leave(self, lease: Lease) -> None:
        """Nobody waits for this answer any more; the supervisor decides what it means that there was none."""
        with self._lock:
            if self._current is None or self._current.child is not lease.child:
                self.load -= 1
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
        control, *free = child.channels
        with self._lock:
            self._current = Published(child, control=[control], free=free)
            self._status.opened(capabilities, child.popen.pid)
            self._tell_all()

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
            self.load -= len(self._left)
            self._left = []

    def _close_free(self) -> None:
        # Borrowed channels stay open: rule 2.
        if self._current is not None:
            for channel in (*self._current.control, *self._current.free):
                channel.close()
        self._current = None
        self._tell_all()

    def _tell_all(self) -> None:
        for condition in self._freed.values():
            condition.notify_all()

    @staticmethod
    def _channels(current: Published, control: bool) -> list[Channel]:
        return current.control if control else current.free
