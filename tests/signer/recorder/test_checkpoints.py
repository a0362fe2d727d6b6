"""Nothing is told to be on record before a durable checkpoint covers it; where there can be none, why is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hsm.errors import TokenUnavailable
from signer.domain.keys import UNBOUNDED, VersionState
from signer.domain.recording import VersionNow
from signer.domain.records import Recorded, Stale
from signer.domain.refusals import PER_MINUTE, RefusedCall
from signer.errors import (
    CheckpointNotWritten,
    CheckpointUnavailable,
    DatabaseUnavailable,
    LogForked,
    LogStopped,
    SignerError,
)
from signer.recorder.protocol import Proved, frame, packed_refusal, parsed_answers
from tests.support.books import TOLERANCE, entry
from tests.support.clock import ManualClock
from tests.support.memory_records import MemorySignatureRecords
from tests.support.recorders import LoopInThread, until

from .test_server import Worker

SHORT = 0.1


@pytest.fixture
def records(clock: ManualClock) -> MemorySignatureRecords:
    made = MemorySignatureRecords(clock=clock, clock_tolerance=TOLERANCE)
    made.versions[1] = VersionNow(state=VersionState.ACTIVE, validity=UNBOUNDED, signature_count=0, last_signed_at=None)
    return made


@pytest.fixture
def loop(tmp_path: Path, records: MemorySignatureRecords) -> Iterator[LoopInThread]:
    made = LoopInThread(tmp_path, records)
    yield made
    made.slots.go_on.set()
    made.close()


@pytest.fixture
def worker(loop: LoopInThread) -> Iterator[Worker]:
    made = Worker(loop)
    yield made
    made.socket.close()


def silent(worker: Worker) -> None:
    worker.socket.settimeout(SHORT)
    with pytest.raises(TimeoutError):
        worker.frame()
    worker.socket.settimeout(30)


def ask(worker: Worker, name: object) -> object:
    sent = entry(1, name)
    worker.post(sent)
    return worker.answers(1)[sent.record_id]


def prove(worker: Worker, number: int = 1) -> SignerError | None:
    worker.socket.sendall(frame({"prove": number}))
    answer = parsed_answers(worker.frame())
    assert isinstance(answer, Proved)
    assert answer.number == number
    return answer.failure


class TestHeld:
    def test_an_answer_waits_for_its_checkpoint(
        self, loop: LoopInThread, worker: Worker, records: MemorySignatureRecords
    ) -> None:
        until(lambda: loop.slots.written)
        loop.slots.go_on.clear()
        worker.post(entry(1))
        until(lambda: records.records)
        silent(worker)
        assert {log.size for log in loop.slots.written} == {0}
        loop.slots.go_on.set()
        (answer,) = worker.answers(1).values()
        assert (answer.index, answer.size) == (0, 1)

    def test_what_comes_meanwhile_is_covered_by_the_next_one(
        self, loop: LoopInThread, worker: Worker, records: MemorySignatureRecords
    ) -> None:
        until(lambda: loop.slots.written)
        loop.slots.go_on.clear()
        worker.post(entry(1, "first"))
        until(lambda: len(records.records) == 1)
        for number in range(5):
            worker.post(entry(1, number))
            until(lambda number=number: len(records.records) == number + 2)  # type: ignore[misc]
        loop.slots.go_on.set()
        answers = worker.answers(6).values()
        assert all(answer.size > answer.index for answer in answers)
        # The one that was under way, and one for all that came meanwhile.
        assert len({answer.size for answer in answers}) <= 2
        assert max(answer.size for answer in answers) == 6

    def test_what_nothing_was_recorded_of_is_told_at_once(self, loop: LoopInThread, worker: Worker) -> None:
        loop.slots.go_on.clear()
        stale = entry(1, access_revision=7)
        worker.post(stale)
        assert worker.answers(1) == {stale.record_id: Stale(access_revision=0)}

    def test_a_repeat_of_what_is_covered_waits_for_nothing(
        self, loop: LoopInThread, worker: Worker, records: MemorySignatureRecords
    ) -> None:
        ask(worker, "one")
        loop.slots.go_on.clear()
        worker.post(entry(1, "two"))
        until(lambda: len(records.records) == 2)
        answer = ask(worker, "one")
        assert isinstance(answer, Recorded)
        assert (answer.repeated, answer.size) == (True, 1)

    def test_a_repeat_of_what_is_not_covered_waits_too(
        self, loop: LoopInThread, worker: Worker, records: MemorySignatureRecords
    ) -> None:
        until(lambda: loop.slots.written)
        loop.slots.go_on.clear()
        worker.post(entry(1, "one"))
        until(lambda: records.records)
        worker.post(entry(1, "one"))
        silent(worker)
        loop.slots.go_on.set()
        assert len(worker.answers(2)) == 2

    def test_it_is_kept_for_other_machines(self, loop: LoopInThread, worker: Worker) -> None:
        ask(worker, "one")
        until(lambda: loop.log.kept)
        assert loop.log.kept[-1] == (1, b"note of 1")


class TestNoToken:
    def test_nothing_is_given_out_and_nothing_more_recorded(
        self, loop: LoopInThread, worker: Worker, records: MemorySignatureRecords
    ) -> None:
        ask(worker, "before")
        loop.slots.failure = TokenUnavailable(token="one")
        told = [ask(worker, "first"), ask(worker, "second")]
        assert [type(each) for each in told] == [CheckpointUnavailable] * 2
        assert told[0].facts == {"reason": "token-unavailable"}  # type: ignore[attr-defined]
        assert len(records.records) == 2, (
            "what is recorded while it is known that nothing can be given out helps nobody"
        )
        assert isinstance(prove(worker), CheckpointUnavailable)

    def test_it_goes_on_by_itself(self, loop: LoopInThread, worker: Worker, records: MemorySignatureRecords) -> None:
        loop.slots.failure = TokenUnavailable(token="one")
        assert isinstance(ask(worker, "first"), CheckpointUnavailable)
        loop.slots.failure = None
        until(lambda: isinstance(ask(worker, "first"), Recorded))
        assert len(records.records) == 1
        assert prove(worker) is None

    def test_those_who_are_refused_do_not_keep_it_from_being_over(self, loop: LoopInThread, worker: Worker) -> None:
        """As long as there is always another batch, there is never a quiet moment."""
        loop.slots.failure = TokenUnavailable(token="one")
        assert isinstance(ask(worker, "first"), CheckpointUnavailable)
        loop.slots.failure = None
        end = time.monotonic() + 10
        sent = 0
        while time.monotonic() < end and loop.server._desk.troubled:
            for _ in range(20):
                worker.post(entry(1, f"more {sent}"))
                sent += 1
            worker.answers(20)
        assert not loop.server._desk.troubled


class TestTampering:
    def test_it_is_for_good(self, loop: LoopInThread, worker: Worker, records: MemorySignatureRecords) -> None:
        ask(worker, "before")
        loop.log.failure = LogForked(size=1, expected="aa", found="bb")
        for name in ("first", "second"):
            answer = ask(worker, name)
            assert isinstance(answer, LogStopped)
            assert answer.reason == "log-forked"
        loop.log.failure = None
        assert isinstance(ask(worker, "third"), LogStopped)
        assert isinstance(prove(worker), LogStopped)
        assert len(records.records) <= 2

    def test_an_idle_recorder_finds_it(self, loop: LoopInThread, worker: Worker) -> None:
        loop.log.failure = LogForked(size=1, expected="aa", found="bb")
        until(lambda: isinstance(prove(worker), LogStopped))

    def test_what_waits_is_not_given_out(
        self, loop: LoopInThread, worker: Worker, records: MemorySignatureRecords
    ) -> None:
        until(lambda: loop.slots.written)
        loop.slots.go_on.clear()
        held = entry(1, "held")
        worker.post(held)
        until(lambda: records.records)
        loop.log.failure = LogForked(size=1, expected="aa", found="bb")
        after = entry(1, "after")
        worker.post(after)
        assert {type(each) for each in worker.answers(2).values()} == {LogStopped}


class TestTheDisk:
    def test_it_is_told_and_the_process_begins_anew(self, loop: LoopInThread, worker: Worker) -> None:
        ask(worker, "before")
        loop.slots.failure = CheckpointNotWritten(path="log.checkpoint", reason="Input/output error")
        answer = ask(worker, "first")
        assert isinstance(answer, CheckpointNotWritten)
        assert answer.reason == "Input/output error"
        loop.slots.failure = None
        assert isinstance(ask(worker, "second"), CheckpointNotWritten), "not by the process that saw it fail"
        begun = time.monotonic()
        loop.thread.join(10)
        assert not loop.thread.is_alive()
        assert time.monotonic() - begun < 5


def test_a_database_that_does_not_answer_is_told_to_who_asks_for_a_proof(loop: LoopInThread, worker: Worker) -> None:
    loop.log.failure = DatabaseUnavailable()
    assert isinstance(prove(worker), DatabaseUnavailable)
    loop.log.failure = None
    assert prove(worker) is None


class TestRefusals:
    CALL = RefusedCall(identity="api-token:reader", key="firmware", reason="no")

    def test_they_are_told_without_an_answer_and_bounded(self, loop: LoopInThread, worker: Worker) -> None:
        for _ in range(3):
            worker.socket.sendall(frame({"refused": [packed_refusal(self.CALL)] * 5}))
        worker.ping(1)
        until(lambda: len(loop.log.told) == PER_MINUTE)
        ask(worker, "one")
        assert len(loop.log.told) == PER_MINUTE

    def test_what_cannot_be_told_stops_nothing(self, loop: LoopInThread, worker: Worker) -> None:
        loop.log.untold = DatabaseUnavailable()
        worker.socket.sendall(frame({"refused": [packed_refusal(self.CALL)]}))
        assert isinstance(ask(worker, "one"), Recorded)

    def test_what_cannot_be_told_yet_is_told_later_and_once(self, loop: LoopInThread, worker: Worker) -> None:
        loop.log.untold = DatabaseUnavailable()
        worker.socket.sendall(frame({"refused": [packed_refusal(self.CALL)] * 2}))
        worker.ping(1)
        assert loop.log.told == []
        loop.log.untold = None
        until(lambda: len(loop.log.told) == 2)
        ask(worker, "one")
        assert len(loop.log.told) == 2


def test_a_proof_has_the_present_checkpoint_signed_again(loop: LoopInThread, worker: Worker) -> None:
    ask(worker, "one")
    before = len(loop.slots.written)
    assert prove(worker) is None
    assert [log.size for log in loop.slots.written[before:]] == [1]
