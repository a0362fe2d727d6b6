"""How often a reload is tried: ever more rarely while it is of no use, and at once again after it was."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from hsm import Algorithm
from hsm.protocol.signing import KeyReference, pack_key
from hsm.worker import signing
from hsm.worker.absences import FIRST_BELIEF, LAST_BELIEF, Absences
from hsm.worker.batches import BatchSigner
from hsm.worker.recovery import Recovery
from hsm.worker.reload import FIRST_INTERVAL, LAST_INTERVAL_LOSS, Budget, Reload
from hsm.worker.sessions import Working


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> Budget:
    return Budget(LAST_INTERVAL_LOSS, clock)


def interval(budget: Budget, clock: Clock) -> float:
    """How long until the next reload is due; the clock then stands there."""
    began = clock.now
    while not budget.due:
        clock.now += 0.1
    return clock.now - began


def test_the_first_reload_is_due_at_once(budget: Budget) -> None:
    assert budget.due


def test_a_reload_that_did_not_help_doubles_the_interval_up_to_the_last(budget: Budget, clock: Clock) -> None:
    waits = []
    for _ in range(6):
        budget.note(helped=False)
        assert not budget.due
        waits.append(interval(budget, clock))
    assert waits == pytest.approx([0.4, 0.8, 1.6, 2.0, 2.0, 2.0], abs=0.11)


def test_a_reload_that_helped_begins_anew(budget: Budget, clock: Clock) -> None:
    for _ in range(6):
        budget.note(helped=False)
    budget.note(helped=True)
    assert interval(budget, clock) == pytest.approx(FIRST_INTERVAL, abs=0.11)


def test_a_missing_key_is_believed_in_ever_longer(clock: Clock) -> None:
    absences, lasting = Absences(clock), []
    for _ in range(9):
        absences.note(b"key")
        began = clock.now
        while absences.known(b"key"):
            clock.now += FIRST_BELIEF / 2
        lasting.append(clock.now - began)
    assert lasting[:3] == [FIRST_BELIEF, 2 * FIRST_BELIEF, 4 * FIRST_BELIEF]
    assert lasting[-1] == LAST_BELIEF
    assert not absences.known(b"another")


def test_a_key_that_was_found_is_news_when_it_vanishes(clock: Clock) -> None:
    absences = Absences(clock)
    absences.note(b"key")
    absences.found(b"key")
    assert not absences.known(b"key")


def test_a_key_that_is_loaded_is_missing_no_more(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack_key(KeyReference(Algorithm.ECDSA_P256, bytes(32), b"id"))
    recovery: Any = SimpleNamespace(sessions=SimpleNamespace(found=SimpleNamespace(mechanisms=frozenset())))
    signer = BatchSigner(recovery, clock=clock)
    signer._absences.note(packed)
    monkeypatch.setattr(signing, "load", lambda *_: object())
    signer.load(Working(session=None, edition=0), packed)
    assert not signer._absences.known(packed)


def test_who_comes_during_a_reload_begins_after_it(clock: Clock) -> None:
    reopening, reopened = threading.Event(), threading.Event()

    def reopen() -> None:
        reopening.set()
        assert reopened.wait(10)

    sessions: Any = SimpleNamespace(reopen=reopen)
    reload = Reload(sessions, timeout=10.0, clock=clock)
    with ThreadPoolExecutor(2) as threads:
        recovered = threads.submit(reload.recover, reload.generation(), reload.losses)
        assert reopening.wait(10)
        generation = threads.submit(reload.generation)
        with pytest.raises(TimeoutError):
            generation.result(0.1)
        reopened.set()
        assert recovered.result(10)
        assert generation.result(10) == 1


def test_other_keys_that_are_missing_do_not_reload_the_token_again(clock: Clock) -> None:
    reloads = []
    sessions: Any = SimpleNamespace(
        reopen=lambda: reloads.append(clock.now),
        borrow=lambda: nullcontext(Working(session=None, edition=0)),
        proven=True,
    )
    recovery = Recovery(sessions, Reload(sessions, timeout=1.0, clock=clock))
    for _ in range(5):
        recovery.after_absence(recovery.generation(), lambda _: False)
    assert reloads == [clock.now]
