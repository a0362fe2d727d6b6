"""Phases, deadlines and the bound, with a clock of the test's own; and whose turn it is among workers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from signer.web.connections.limits import FEWEST_CONNECTIONS, MOST_CONNECTIONS, most_connections
from signer.web.connections.register import HEADLESS, Phase, Register
from signer.web.connections.shares import ABSENT, Shares


@dataclass(eq=False)
class Somebody:
    """A connection that notes what happens to it."""

    register: Register
    begun: bool = False
    happened: list[str] = field(default_factory=list)

    def expire(self, phase: Phase) -> None:
        self.happened.append(f"expired {phase.name}")
        self.register.leave(self)

    def evict(self) -> None:
        self.happened.append("evicted")

    def dismiss(self) -> None:
        self.happened.append("dismissed")
        self.register.leave(self)

    def look(self, now: float) -> None:
        self.happened.append(f"looked at {now:g}")


class House:
    """A register whose time stands still unless told otherwise."""

    def __init__(self, bound: int = 3) -> None:
        self.now = 0.0
        self.counts: list[int] = []
        self.register = Register(
            bound=bound,
            seconds={Phase.HELLO: 1.0, Phase.HEAD: 2.0, Phase.IDLE: 5.0},
            monotonic=lambda: self.now,
            counted=self.counts.append,
        )

    def enter(self, phase: Phase, *, at: float = 0.0, begun: bool = False) -> Somebody:
        self.now = at
        somebody = Somebody(self.register, begun=begun)
        self.register.enter(somebody, phase)
        return somebody


def test_a_phase_ends_at_its_time_and_not_before() -> None:
    house = House()
    guest, head = house.enter(Phase.HELLO), house.enter(Phase.HEAD)
    house.now = 0.99
    house.register.sweep()
    assert guest.happened == head.happened == []
    house.now = 1.0
    house.register.sweep()
    assert (guest.happened, head.happened) == (["expired HELLO"], [])
    house.now = 2.0
    house.register.sweep()
    assert head.happened == ["expired HEAD"]


def test_entering_a_phase_again_begins_its_time_anew_and_behind_the_others() -> None:
    house = House()
    first, second = house.enter(Phase.IDLE), house.enter(Phase.IDLE, at=1.0)
    house.now = 2.0
    house.register.enter(first, Phase.IDLE)
    house.now = 6.0
    house.register.sweep()
    assert (first.happened, second.happened) == ([], ["expired IDLE"])


@pytest.mark.parametrize("phase", [Phase.SERVING, Phase.BODY])
def test_a_request_under_way_has_no_such_time(phase: Phase) -> None:
    house = House()
    somebody = house.enter(phase)
    house.now = 1e6
    house.register.sweep()
    assert [text for text in somebody.happened if "expired" in text] == []


def test_bodies_are_looked_at_in_each_sweep() -> None:
    house = House()
    somebody = house.enter(Phase.BODY)
    for house.now in (1.0, 2.0):
        house.register.sweep()
    assert somebody.happened == ["looked at 1", "looked at 2"]


VICTIMS = {
    "the silent one before the idle one": ((Phase.IDLE, Phase.HELLO, Phase.SERVING), 1),
    "who waits longest without a head": ((Phase.HEAD, Phase.HELLO, Phase.HANDSHAKE), 0),
    "a handshake before an idle one": ((Phase.SERVING, Phase.IDLE, Phase.HANDSHAKE), 2),
    "the one that is idle longest": ((Phase.SERVING, Phase.IDLE, Phase.IDLE), 1),
    "nobody with a request under way": ((Phase.SERVING, Phase.BODY, Phase.WRITING), None),
}


@pytest.mark.parametrize("sentence", VICTIMS)
def test_at_the_bound_one_goes(sentence: str) -> None:
    phases, victim = VICTIMS[sentence]
    house = House(bound=3)
    members = [house.enter(phase, at=float(at)) for at, phase in enumerate(phases)]
    assert house.register.make_room() is (victim is not None)
    assert [member.happened for member in members] == [["evicted"] if at == victim else [] for at in range(3)]
    assert house.register.open == (3 if victim is None else 2)


def test_waiting_without_a_head_counts_from_the_first_byte_of_the_connection() -> None:
    house = House(bound=2)
    old, young = house.enter(Phase.HELLO), house.enter(Phase.HEAD, at=1.0)
    house.now = 2.0
    house.register.enter(old, Phase.HANDSHAKE)
    house.register.enter(old, Phase.HEAD)
    assert house.register.make_room()
    assert (old.happened, young.happened) == (["evicted"], [])


def test_below_the_bound_nobody_goes() -> None:
    house = House(bound=2)
    somebody = house.enter(Phase.HELLO)
    assert house.register.make_room()
    assert somebody.happened == []


def test_the_count_is_told_when_it_changes_and_only_then() -> None:
    house = House()
    somebody = house.enter(Phase.HELLO)
    house.register.enter(somebody, Phase.HEAD)
    house.register.leave(somebody)
    house.register.leave(somebody)
    assert house.counts == [1, 0]


def test_at_a_stop_those_go_that_have_asked_nothing() -> None:
    house = House(bound=10)
    idle, fresh, stale = house.enter(Phase.IDLE), house.enter(Phase.HEAD), house.enter(Phase.HELLO)
    asking = house.enter(Phase.HEAD, begun=True)
    serving = house.enter(Phase.SERVING)
    house.register.close_silent(grace=1.0)
    assert [who.happened for who in (idle, fresh, stale, asking, serving)] == [["dismissed"], [], [], [], []]
    house.now = 1.0
    house.register.close_silent(grace=1.0)
    assert [who.happened for who in (fresh, stale, asking, serving)] == [["dismissed"], ["dismissed"], [], []]


def test_the_phases_without_a_head() -> None:
    assert {phase.name for phase in HEADLESS} == {"HELLO", "HANDSHAKE", "HEAD"}


class TestShares:
    def test_who_has_more_is_ahead(self) -> None:
        shares = Shares(3)
        shares.set(0, 5)
        shares.set(1, 2)
        assert [shares.ahead(0), shares.ahead(1)] == [3, 0]

    def test_who_is_absent_does_not_count(self) -> None:
        shares = Shares(2)
        shares.set(0, 5)
        assert shares.ahead(0) == 0
        shares.set(1, 0)
        assert shares.ahead(0) == 5
        shares.set(1, ABSENT)
        assert shares.ahead(0) == 0
        assert shares.total() == 5

    def test_a_seat_is_free_again_when_its_worker_has_ended(self) -> None:
        shares, workers = Shares(2), [object(), object()]
        assert [shares.take_seat(worker) for worker in workers] == [0, 1]
        shares.set(0, 7)
        shares.free_seat(workers[0])
        assert shares.total() == 0
        assert shares.take_seat(object()) == 0

    def test_a_child_is_seen_by_its_parent(self) -> None:
        shares = Shares(1)
        child = os.fork()
        if child == 0:
            shares.set(0, 42)
            os._exit(0)
        os.waitpid(child, 0)
        assert shares.total() == 42


CONNECTIONS = {
    "as the system allows": (1024, None, 448),
    "no more than is wanted": (1024, 100, 100),
    "no more than the system allows": (1024, 10_000, 448),
    "never fewer than a few": (64, None, FEWEST_CONNECTIONS),
    "never more than a worker should have": (1 << 20, None, MOST_CONNECTIONS),
    "more, where that is wanted and possible": (1 << 20, 10_000, 10_000),
}


@pytest.mark.parametrize("sentence", CONNECTIONS)
def test_the_bound_comes_from_the_descriptors(sentence: str) -> None:
    descriptors, wanted, most = CONNECTIONS[sentence]
    assert most_connections(descriptors=descriptors, wanted=wanted) == most


def test_a_process_opens_as_many_files_as_it_may_at_all() -> None:
    code = (
        "import resource\n"
        "from signer.web.connections.limits import raise_descriptor_limit\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512))\n"
        "print(raise_descriptor_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["512", "512", "512"]
