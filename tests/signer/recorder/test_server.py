"""The recorder's loop: what comes together is committed together, and answers follow commits."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from signer.domain.keys import UNBOUNDED, VersionState
from signer.domain.recording import VersionNow
from signer.domain.records import Outcome, Recorded, SignatureEntry
from signer.errors import DatabaseFull, RecorderUnavailable, SignerError
from signer.recorder.gathering import COMMITS, Gathering
from signer.recorder.protocol import LENGTH, FrameReader, Ping, frame, packed_entry, parsed_answers
from signer.recorder.server import MAX_BATCH
from tests.support.books import TOLERANCE, entry
from tests.support.clock import ManualClock
from tests.support.memory_records import MemorySignatureRecords
from tests.support.recorders import WAIT_SECONDS, LoopInThread, until

LATER = time.monotonic() + 3600


class HeldRecords(MemorySignatureRecords):
    """Counts commits, lets the first ones wait, and fails when told to."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock=clock, clock_tolerance=TOLERANCE)
        self.versions[1] = VersionNow(
            state=VersionState.ACTIVE, validity=UNBOUNDED, signature_count=0, last_signed_at=None
        )
        self.batches: list[int] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.failure: Exception | None = None

    def record_many(self, entries: Sequence[SignatureEntry]) -> list[Outcome]:
        """As the base."""
        self.batches.append(len(entries))
        assert self.go_on.wait(WAIT_SECONDS)
        if self.failure is not None:
            raise self.failure
        return super().record_many(entries)


@pytest.fixture
def records(clock: ManualClock) -> HeldRecords:
    return HeldRecords(clock)


@pytest.fixture
def loop(tmp_path: Path, records: HeldRecords) -> Iterator[LoopInThread]:
    made = LoopInThread(tmp_path, records)
    yield made
    records.go_on.set()
    made.close()


class Worker:
    """A connection that speaks the protocol, and waits for its answers."""

    def __init__(self, loop: LoopInThread) -> None:
        self.socket = loop.connect()
        self._reader = FrameReader()
        self._frames: list[bytes] = []

    def post(self, *entries: SignatureEntry, deadline: float = LATER) -> None:
        """Send entries in one message."""
        self.socket.sendall(frame({"record": [packed_entry(each, deadline) for each in entries]}))

    def frame(self) -> bytes:
        """The next frame."""
        while not self._frames:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionResetError
            self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    def answers(self, count: int) -> dict[bytes, Any]:
        """So many answers, by the id of their record."""
        found: dict[bytes, Any] = {}
        while len(found) < count:
            said = parsed_answers(self.frame())
            assert not isinstance(said, Ping)
            found |= dict(said)
        return found

    def ping(self, number: int) -> None:
        """Ask and wait for the answer."""
        self.socket.sendall(frame({"ping": number}))
        assert parsed_answers(self.frame()) == Ping(number)


@pytest.fixture
def workers(loop: LoopInThread) -> Iterator[list[Worker]]:
    made = [Worker(loop) for _ in range(3)]
    yield made
    for worker in made:
        worker.socket.close()


class TestBatches:
    def test_what_comes_during_a_commit_is_the_next_one(self, workers: list[Worker], records: HeldRecords) -> None:
        records.go_on.clear()
        workers[0].post(entry(1, "first"))
        until(lambda: records.batches)
        for number, worker in enumerate(workers):
            for part in range(4):
                worker.post(entry(1, f"{number} {part} a"), entry(1, f"{number} {part} b"))
        records.go_on.set()
        assert [len(worker.answers(8 + (worker is workers[0]))) for worker in workers] == [9, 8, 8]
        assert records.batches == [1, 24]

    def test_an_answer_follows_its_commit(self, workers: list[Worker], records: HeldRecords) -> None:
        records.go_on.clear()
        workers[0].post(entry(1))
        until(lambda: records.batches)
        workers[0].socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            workers[0].frame()
        workers[0].socket.settimeout(WAIT_SECONDS)
        records.go_on.set()
        assert len(workers[0].answers(1)) == len(records.records) == 1

    @pytest.mark.slow
    def test_a_batch_is_bounded(self, workers: list[Worker], records: HeldRecords) -> None:
        records.go_on.clear()
        workers[0].post(entry(1))
        until(lambda: records.batches)
        with ThreadPoolExecutor(1) as pool:
            posting = pool.submit(self._post, workers[1], 3 * MAX_BATCH)
            records.go_on.set()
            workers[1].answers(3 * MAX_BATCH)
            posting.result()
        assert max(records.batches) <= MAX_BATCH
        assert sum(records.batches) == 1 + 3 * MAX_BATCH

    @staticmethod
    def _post(worker: Worker, count: int) -> None:
        for number in range(0, count, 256):
            worker.post(*(entry(1, number + part) for part in range(256)))

    def test_each_is_answered_on_its_own_connection(self, workers: list[Worker]) -> None:
        sent = [entry(1, number) for number in range(len(workers))]
        for worker, each in zip(workers, sent, strict=True):
            worker.post(each)
        for worker, each in zip(workers, sent, strict=True):
            (answer,) = worker.answers(1).items()
            assert answer[0] == each.record_id
            assert answer[1].signature == each.signature

    def test_who_comes_too_late_is_neither_recorded_nor_answered(
        self, workers: list[Worker], records: HeldRecords
    ) -> None:
        workers[0].post(entry(1, "late"), deadline=time.monotonic())
        workers[0].post(entry(1, "in time"))
        assert len(workers[0].answers(1)) == len(records.records) == 1


class TestGathering:
    """Others were here a moment ago: who comes waits for them."""

    @pytest.fixture
    def gathering(self) -> Gathering:
        return Gathering(patience=60.0, memory=60.0)

    @pytest.fixture
    def loop(self, tmp_path: Path, records: HeldRecords, gathering: Gathering) -> Iterator[LoopInThread]:
        made = LoopInThread(tmp_path, records, gathering=gathering)
        yield made
        made.slots.go_on.set()
        made.close()

    @pytest.fixture(autouse=True)
    def others(self, loop: LoopInThread, workers: list[Worker], records: HeldRecords) -> None:
        """Every commit so far found two."""
        for turn in range(COMMITS):
            workers[2].post(entry(1, f"{turn} a"), entry(1, f"{turn} b"))
            workers[2].answers(2)
        assert records.batches == [2] * COMMITS

    def test_those_of_several_workers_meet_in_one_commit(self, workers: list[Worker], records: HeldRecords) -> None:
        workers[0].post(entry(1, "one"))
        workers[0].ping(1)  # so the recorder has taken what came before
        assert len(records.batches) == COMMITS
        workers[1].post(entry(1, "other"))
        assert [len(worker.answers(1)) for worker in workers[:2]] == [1, 1]
        assert records.batches[COMMITS:] == [2]

    def test_whose_answers_are_held_back_are_here_too(
        self, loop: LoopInThread, workers: list[Worker], records: HeldRecords
    ) -> None:
        loop.slots.go_on.clear()
        turns = range(COMMITS + 1)
        for turn in turns:
            workers[0].post(entry(1, f"{turn} c"), entry(1, f"{turn} d"))
            until(lambda: len(records.batches) > COMMITS + turn)  # noqa: B023
        loop.slots.go_on.set()
        workers[0].answers(2 * len(turns))
        # The last three commits found four, six and eight, all but two of them held back.
        workers[1].post(entry(1, "e"), entry(1, "f"))
        workers[1].ping(1)
        workers[0].post(entry(1, "g"), entry(1, "h"))
        assert [len(worker.answers(2)) for worker in workers[:2]] == [2, 2]
        assert records.batches[-2:] == [2, 4]

    @pytest.mark.parametrize("gathering", [Gathering(patience=0.05, memory=60.0)])
    def test_they_are_waited_for_a_moment_only(self, workers: list[Worker], records: HeldRecords) -> None:
        workers[0].post(entry(1, "one"))
        assert len(workers[0].answers(1)) == 1
        assert records.batches[COMMITS:] == [1]


class TestFailures:
    FAILURES: dict[str, tuple[Exception, type[SignerError]]] = {  # noqa: RUF012  (a table)
        "a full disk is told": (DatabaseFull(), DatabaseFull),
        "what nobody foresaw tells nothing": (RuntimeError("secret"), RecorderUnavailable),
    }

    @pytest.mark.parametrize("sentence", FAILURES)
    def test_all_of_the_batch_are_told_and_the_next_is_recorded(
        self, workers: list[Worker], records: HeldRecords, sentence: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        records.failure, told = self.FAILURES[sentence]
        for number in range(3):
            workers[0].post(entry(1, number), entry(1, f"{number} too"))
            assert {type(answer) for answer in workers[0].answers(2).values()} == {told}
        records.failure = None
        for number in range(3):
            workers[0].post(entry(1, number))
            assert isinstance(workers[0].answers(1).popitem()[1], Recorded)
        lines = [each.message for each in caplog.records]
        assert len(lines) == 2
        assert lines[0].startswith("signatures cannot be recorded: ")
        assert lines[1] == "signatures are recorded again"
        assert "secret" not in caplog.text


class TestConnections:
    def test_a_worker_that_is_gone_has_its_entries_recorded(self, loop: LoopInThread, records: HeldRecords) -> None:
        worker = Worker(loop)
        records.go_on.clear()
        worker.post(entry(1, "first"))
        until(lambda: records.batches)
        worker.post(entry(1, "second"))
        worker.socket.close()
        records.go_on.set()
        until(lambda: len(records.records) == 2)

    def test_what_cannot_be_understood_ends_one_connection(self, workers: list[Worker]) -> None:
        first, second, third = workers
        first.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        second.socket.sendall(LENGTH.pack(2) + b"{}")
        for worker in (first, second):
            with pytest.raises(ConnectionResetError):
                worker.frame()
        third.post(entry(1))
        assert len(third.answers(1)) == 1

    def test_half_a_message_keeps_nobody_waiting(self, workers: list[Worker]) -> None:
        workers[0].socket.sendall(LENGTH.pack(1 << 20) + b"[")
        workers[1].post(entry(1))
        assert len(workers[1].answers(1)) == 1

    @pytest.mark.slow
    def test_a_worker_that_takes_no_answers_keeps_nobody_waiting(self, workers: list[Worker]) -> None:
        workers[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        TestBatches._post(workers[0], 4096)
        workers[1].post(entry(1, "other"))
        assert len(workers[1].answers(1)) == 1
        # It begins to take them, and no longer byte by byte.
        workers[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        assert len(workers[0].answers(4096)) == 4096

    def test_pings_are_answered(self, workers: list[Worker]) -> None:
        for number in range(3):
            workers[number].ping(number)


class TestTheEnd:
    def test_it_ends_when_the_service_has_ended_and_no_worker_is_connected(
        self, tmp_path: Path, records: HeldRecords
    ) -> None:
        loop = LoopInThread(tmp_path / "o", records)
        worker = Worker(loop)
        worker.ping(1)
        loop.let_go()
        worker.post(entry(1))
        assert len(worker.answers(1)) == 1
        assert loop.thread.is_alive()
        worker.socket.close()
        loop.thread.join(WAIT_SECONDS)
        assert not loop.thread.is_alive()
        loop.close()

    def test_what_was_taken_is_recorded_before_it_ends(self, tmp_path: Path, records: HeldRecords) -> None:
        loop = LoopInThread(tmp_path / "o", records)
        worker = Worker(loop)
        records.go_on.clear()
        worker.post(entry(1, "first"))
        until(lambda: records.batches)
        worker.post(entry(1, "second"))
        worker.socket.close()
        loop.let_go()
        records.go_on.set()
        loop.close()
        assert len(records.records) == 2
