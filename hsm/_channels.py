"""Lends the channels of a token's process to the threads that need one, and knows the state of the token.

The supervisor publishes a process when it is ready and withdraws it when it is not; borrowers never close or reuse a
channel that somebody else might still be waiting on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hsm._child import Channel, Child
from hsm._records import Capabilities
from hsm.errors import DeadlineExceeded, TokenError, TokenUnavailable
from hsm.keys import TokenHealth, TokenState

TYPICAL_START = 1.0  # seconds that a start usually takes, for telling clients when to come back


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
    capabilities: Capabilities
    control: list[Channel] = field(default_factory=list)
    free: list[Channel] = field(default_factory=list)


class Channels:
    """Thread-safe; every wait ends at a deadline, which is a reading of ``clock``."""

    def __init__(self, name: str, *, clock: Callable[[], float], wake: Callable[[], None]) -> None:
        self._name = name
        self._clock = clock
        self._wake = wake
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        # One for each kind of channel, so that giving one back wakes exactly one thread that can use it.
        self._freed = {control: threading.Condition(self._lock) for control in (False, True)}
        self._current: Published | None = None
        self._left: list[Lease] = []
        self._state = TokenState.STARTING
        self._since = clock()
        self._error: TokenError | None = None
        self._due: float | None = None
        self._hopeful = True
        self._restarts = 0
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
                raise self.unavailable()
            channels = self._channels(self._current, control)
            if not channels:
                self.load -= 1
                raise DeadlineExceeded(token=self._name, reason="all channels are in use")
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
        """The process is ready for requests."""
        control, *free = child.channels
        with self._lock:
            self._current = Published(child, capabilities, control=[control], free=free)
            self._hopeful = True
            self._set(TokenState.READY, None, None)

    def drop(self, child: Child) -> None:
        """The process was seen to be dead, or makes no sense: nobody else is to try it."""
        with self._lock:
            if self._current is not None and self._current.child is child:
                self._close_free()
                self._set(TokenState.STARTING, None, None)
        self._wake()

    def serves(self, child: Child) -> bool:
        """Whether requests go to this process."""
        current = self._current
        return current is not None and current.child is child

    def withdraw(
        self,
        state: TokenState,
        error: TokenError | None,
        *,
        due: float | None = None,
        hopeful: bool = False,
    ) -> None:
        """No process takes requests. ``due``: when the next attempt begins. ``hopeful``: requests may wait for it."""
        with self._lock:
            self._close_free()
            for lease in self._left:
                lease.channel.close()
            self.load -= len(self._left)
            self._left = []
            if state is TokenState.STARTING:
                self._restarts += 1
            else:
                self._hopeful = hopeful
            self._set(state, error, due)

    def wait_ready(self, deadline: float, *, stubborn: bool) -> bool:
        """Wait for a published process; False at the deadline, or at once where none will come by itself.

        ``stubborn``: also through failure after failure.
        """

        def over() -> bool:
            ended = self._state in (TokenState.READY, TokenState.REFUSED, TokenState.CLOSED)
            return ended or not (stubborn or self._hopeful)

        with self._lock:
            self._changed.wait_for(over, deadline - self._clock())
            return self._current is not None

    def expected_at(self) -> float | None:
        """When the token may be back; None: not soon. In the past where it is ready."""
        with self._lock:
            if not self._hopeful:
                return None
            return self._due if self._state is TokenState.WAITING else self._clock()

    @property
    def capabilities(self) -> Capabilities | None:
        """What the token does, while a process is ready."""
        current = self._current
        return None if current is None else current.capabilities

    @property
    def ready(self) -> bool:
        """Whether a process takes requests."""
        return self._current is not None

    def unavailable(self) -> TokenError:
        """Why requests are not taken, as a fresh exception: one object is not to be raised in several threads."""
        with self._lock:
            if self._state is TokenState.REFUSED and self._error is not None:
                return replace(self._error)
            reason = self._state.value if self._error is None else self._error.code
            return TokenUnavailable(token=self._name, reason=reason, retry_after=self._retry_after())

    def health(self) -> TokenHealth:
        """The state as a value."""
        with self._lock:
            error = self._error
            return TokenHealth(
                name=self._name,
                state=self._state,
                since=self._since,
                last_error=None if error is None else error.code,
                restarts=self._restarts,
                pid=None if self._current is None else self._current.child.popen.pid,
                retry_after=self._retry_after(),
            )

    def _close_free(self) -> None:
        """Whoever borrowed a channel closes it himself: closing it here would let its number be used again."""
        if self._current is not None:
            for channel in (*self._current.control, *self._current.free):
                channel.close()
        self._current = None

    def _set(self, state: TokenState, error: TokenError | None, due: float | None) -> None:
        if (state is TokenState.READY) is not (self._state is TokenState.READY):
            self._since = self._clock()
        self._state, self._due = state, due
        if state is TokenState.READY or error is not None:
            self._error = error
        for condition in (self._changed, *self._freed.values()):
            condition.notify_all()

    def _retry_after(self) -> float | None:
        match self._state:
            case TokenState.WAITING:
                return max(0.0, (self._due or 0.0) - self._clock()) + TYPICAL_START
            case TokenState.STARTING:
                return TYPICAL_START
        return None

    @staticmethod
    def _channels(current: Published, control: bool) -> list[Channel]:
        return current.control if control else current.free
