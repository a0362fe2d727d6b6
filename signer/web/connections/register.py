"""Every open connection of a worker, by what it is waited for: deadlines that are totals, and one bound for all.

1. A connection is in one phase at a time. Each phase but ``SERVING`` ends by itself: after its seconds, counted from
   when it began, whatever trickles in meanwhile.
2. At the bound, room is made for who comes next: whoever has waited longest without a complete request head goes,
   then whoever has been idle longest. Connections with a request under way are never closed for others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum, auto
from typing import Protocol


class Phase(IntEnum):
    """What a connection is waited for. Numbers, which as keys cost less than names do."""

    HELLO = auto()  # its first byte
    HANDSHAKE = auto()  # the end of the TLS handshake
    HEAD = auto()  # a complete request head
    BODY = auto()  # the rest of a body
    SERVING = auto()  # the answer, which is the service's own affair
    WRITING = auto()  # the client, to take what was sent
    IDLE = auto()  # another request
    LINGERING = auto()  # the client, to notice that it was refused
    CLOSING = auto()  # the client, to take the last that was sent


HEADLESS = frozenset({Phase.HELLO, Phase.HANDSHAKE, Phase.HEAD})


class Member(Protocol):
    """A connection, whatever stage of its life it is in."""

    @property
    def begun(self) -> bool:
        """Whether a part of a request was read that is not answered yet."""

    def expire(self, phase: Phase) -> None:
        """The time of this phase is over."""

    def dismiss(self) -> None:
        """Close, where nothing was asked."""

    def evict(self) -> None:
        """Make room: close at once, without a word."""

    def look(self, now: float) -> None:
        """Judge the progress of a body, at each sweep."""


class Register:
    """The open connections. For one event loop; no method waits."""

    def __init__(
        self,
        *,
        bound: int,
        seconds: Mapping[Phase, float],
        monotonic: Callable[[], float],
        counted: Callable[[int], None],
    ) -> None:
        self._bound = bound
        self._seconds = seconds
        self._monotonic = monotonic
        self._counted = counted
        self._phases: dict[Member, Phase] = {}
        # Each in the order in which they entered, so that the first is the oldest.
        self._since: dict[Phase, dict[Member, float]] = {phase: {} for phase in Phase}
        self._headless: dict[Member, None] = {}

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._phases)

    @property
    def full(self) -> bool:
        """Whether one more would be beyond the bound."""
        return len(self._phases) >= self._bound

    def phase(self, member: Member) -> Phase | None:
        """What the connection is waited for; None for one that is not open."""
        return self._phases.get(member)

    def enter(self, member: Member, phase: Phase) -> None:
        """The phase of this connection begins now; the clock of the one before stops."""
        old = self._phases.get(member)
        if old is not None:
            del self._since[old][member]
        self._phases[member] = phase
        self._since[phase][member] = self._monotonic()
        if phase in HEADLESS:
            self._headless.setdefault(member)
        else:
            self._headless.pop(member, None)
        if old is None:
            self._counted(len(self._phases))

    def leave(self, member: Member) -> None:
        """The connection is closed, or another member goes on with it."""
        phase = self._phases.pop(member, None)
        if phase is None:
            return
        del self._since[phase][member]
        self._headless.pop(member, None)
        self._counted(len(self._phases))

    def make_room(self) -> bool:
        """Whether one more fits, after closing one that may be closed for it."""
        if not self.full:
            return True
        victim = next(iter(self._headless), None) or next(iter(self._since[Phase.IDLE]), None)
        if victim is None:
            return False
        victim.evict()
        self.leave(victim)
        return True

    def sweep(self) -> None:
        """End every phase whose time is over."""
        now = self._monotonic()
        for phase, seconds in self._seconds.items():
            # The oldest come first: the rest of a phase is younger than one whose time is not over.
            overdue = []
            for member, since in self._since[phase].items():
                if now - since < seconds:
                    break
                overdue.append(member)
            for member in overdue:
                member.expire(phase)
        for member in tuple(self._since[Phase.BODY]):
            member.look(now)

    def close_silent(self, *, grace: float) -> None:
        """At a stop: close those that have asked nothing; new ones have ``grace`` seconds to do so."""
        now = self._monotonic()
        for phase in (*HEADLESS, Phase.IDLE):
            for member, since in tuple(self._since[phase].items()):
                if not member.begun and (phase is Phase.IDLE or now - since >= grace):
                    member.dismiss()
