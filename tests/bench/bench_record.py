"""Records of signatures: one worker that commits in a thread of its own, beside workers that share a recorder.

The worker by itself has no log to certify; the recorder verifies what it wrote and has it signed by a real token.

Each caller keeps a worker's loop busy for as long as the rest of a request does, then waits for its record. ``extra``
is what a slower disk would add to every commit. Processor time is that of all processes together, the callers' own
work taken off. Run by ``python -m tests.bench.bench_record``.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from signer.domain.log_keys import known_origin
from signer.domain.records import Outcome, Recorded, SignatureEntry
from signer.domain.verified_log import VerifiedLog
from signer.recorder.addresses import listening, socket_path
from signer.recorder.checkpointer import Checkpointer
from signer.recorder.client import RecorderClient
from signer.recorder.protocol import LENGTH, frame, packed_answer, packed_entry, parsed_answers, parsed_message
from signer.recorder.release import Release
from signer.recorder.server import RecorderServer
from signer.services.checkpoints import CheckpointSigner
from signer.storage.certified_records import CertifiedRecords
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.signature_records import SqlSignatureRecords
from signer.token import open_tokens
from tests.support.books import TOLERANCE, SqlBook, entry
from tests.support.clock import ManualClock
from tests.support.databases import migrate, settings
from tests.support.recorders import settings_of

SECONDS = 3.0
RUNS, REPEATS = 7, 40
SEEN = {
    "header_sha256": "a" * 64,
    "artifact": "release-1",
    "devices": ["beaglebone"],
    "payload_types": ["rootfs-image"],
}
# What front, parsing, token exchange and verification keep a worker's loop busy for, per request.
WORK_SECONDS = 0.0003
PAST = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One row of the table."""

    folder: Path
    version: int
    revision: int
    callers: int
    batch: int
    extra: float

    @property
    def url(self) -> str:
        """Of the database."""
        return f"sqlite:///{self.folder.parent}/bench.sqlite"


class SlowRecords:
    """The records, on a disk whose commits take longer."""

    def __init__(self, scene: Scene) -> None:
        self.database = Database(settings(scene.url))
        self._records = SqlSignatureRecords(
            database=self.database, clock=lambda: datetime.now(UTC), clock_tolerance=TOLERANCE
        )
        self._extra = scene.extra

    def record_many(self, entries: Sequence[SignatureEntry]) -> list[Outcome]:
        """As the base, and then wait."""
        outcomes = self._records.record_many(entries)
        time.sleep(self._extra)
        return outcomes


class ThreadRecorder:
    """The simpler way: what gathers while a thread commits is committed next."""

    def __init__(self, scene: Scene) -> None:
        self._records = SlowRecords(scene)
        self._log = self._records.database.write_ahead_log()
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[Sequence[SignatureEntry], asyncio.Future[Any]]] = []
        self._committing = False

    async def record_many(self, entries: Sequence[SignatureEntry], *, deadline: float) -> list[Any]:
        """As the port."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, future))
        if not self._committing:
            self._committing = True
            asyncio.get_running_loop().create_task(self._commit())
        result: list[Any] = await future
        return result

    async def _commit(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            flat = [each for entries, _ in batch for each in entries]
            outcomes = iter(await asyncio.get_running_loop().run_in_executor(self._thread, self._recorded, flat))
            for entries, future in batch:
                future.set_result([next(outcomes) for _ in entries])
        self._committing = False

    def _recorded(self, entries: Sequence[SignatureEntry]) -> list[Outcome]:
        outcomes = self._records.record_many(entries)
        if self._log is not None:
            self._log.committed(len(entries))
        return outcomes


class SlowCertifiedRecords(CertifiedRecords):
    """Records on a verified log, on a disk whose commits take longer."""

    def __init__(self, scene: Scene, database: Database, log: VerifiedLog) -> None:
        super().__init__(
            database=database,
            clock=lambda: datetime.now(UTC),
            clock_tolerance=TOLERANCE,
            log=log,
            machine="bench",
            failover_check=False,
            monotonic=time.monotonic,
        )
        self._extra = scene.extra

    def record_many(self, entries: Sequence[SignatureEntry]) -> list[Outcome]:
        """As the base, and then wait."""
        outcomes = super().record_many(entries)
        time.sleep(self._extra)
        return outcomes


def recorder_process(scene: Scene, lifeline: tuple[int, int], ended: Connection) -> None:
    """The recorder with its token and its checkpoints, until the bench closes its lifeline."""
    os.close(lifeline[1])
    chosen = settings_of(scene.folder, scene.url)
    slots = CheckpointFile(chosen.log.checkpoint_file).hold()
    database = Database(settings(scene.url))
    store = SqlKeyStore(database=database, clock=lambda: datetime.now(UTC))
    origin = known_origin(slots.saved.note, store.all_keys(), path=chosen.log.checkpoint_file)
    with closing(open_tokens(chosen)) as pool:
        pool.start()
        assert pool.wait_ready(30)
        signer = CheckpointSigner(origin=origin, keys=store.all_keys, tokens=pool, timeout=15.0)
        checkpointer = Checkpointer(sign=signer.sign, slots=slots)
        log = database.write_ahead_log()
        server = RecorderServer(
            listener=listening(socket_path(scene.folder)),
            lifeline=lifeline[0],
            records=SlowCertifiedRecords(scene, database, slots.saved.log),
            release=Release(checkpointer),
            housekeeping=log,
        )
        token = pool.health()[0].pid
        begun = processor_seconds() + seconds_of(token)
        ended.send("ready")
        server.run()
        checkpointer.close()
        ended.send(processor_seconds() + seconds_of(token) - begun)


def worker_process(scene: Scene, shared: bool, ended: Connection) -> None:
    """One worker with its share of the callers."""
    ended.send(asyncio.run(_work(scene, shared)))


async def _work(scene: Scene, shared: bool) -> tuple[int, list[float], float]:
    recorder: Any = RecorderClient(socket_path(scene.folder)) if shared else ThreadRecorder(scene)
    waits: list[float] = []
    busy, begun, end = processor_seconds(), time.monotonic(), time.monotonic() + SECONDS
    worked = 0

    async def caller(number: int) -> None:
        nonlocal worked
        turn = 0
        while time.monotonic() < end:
            for _ in range(scene.batch):
                until = time.thread_time() + WORK_SECONDS
                while time.thread_time() < until:
                    pass
            worked += scene.batch
            turn += 1
            marks = [f"{os.getpid()} {number} {turn} {part}" for part in range(scene.batch)]
            entries = [entry(scene.version, mark, access_revision=scene.revision) for mark in marks]
            asked = time.monotonic()
            await recorder.record_many(entries, deadline=asked + 60)
            waits.append(time.monotonic() - asked)

    await asyncio.gather(*(caller(number) for number in range(scene.callers)))
    if shared:
        recorder.close()
        await asyncio.sleep(0)
    spent = processor_seconds() - busy - worked * WORK_SECONDS
    return round(worked / (time.monotonic() - begun)), waits, spent / worked


def processor_seconds() -> float:
    """Of this process, all its threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def seconds_of(pid: int | None) -> float:
    """Processor time of another process (proc(5): fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(scene: Scene, *, workers: int) -> str:
    """One way under one load: rate, waits and processor time, as cells. ``workers`` 0: one that commits by itself."""
    context = multiprocessing.get_context("fork")
    lifeline = os.pipe()
    parent, child = context.Pipe()
    recorder = context.Process(target=recorder_process, args=(scene, lifeline, child))
    if workers:
        recorder.start()
        assert parent.recv() == "ready"
    pipes = []
    for _ in range(max(workers, 1)):
        ours, theirs = context.Pipe()
        context.Process(target=worker_process, args=(scene, bool(workers), theirs)).start()
        pipes.append(ours)
    results = [pipe.recv() for pipe in pipes]
    rate = sum(each[0] for each in results)
    waits = sorted(wait for each in results for wait in each[1])
    cost = sum(each[2] for each in results) / len(results)
    if workers:
        while multiprocessing.active_children() != [recorder]:
            time.sleep(0.01)
        os.close(lifeline[1])
        recorder.join()
        cost += parent.recv() / (rate * SECONDS)
    p50, p99 = (1000 * waits[len(waits) * part // 100] for part in (50, 99))
    return f"{rate} | {p50:.1f} | {p99:.1f} | {1e6 * cost:.0f}"


def stages(book: SqlBook) -> None:
    """Print the processor time of each stage, per record: the best of several runs, in this one process."""
    version, revision = book.version(), book.revision()
    print("| stage | CPU µs per record |")
    print("|---|---:|")
    numbers = itertools.count()

    def entries(count: int) -> list[SignatureEntry]:
        return [entry(version, next(numbers), access_revision=revision, seen=SEEN) for _ in range(count)]

    batch, at = entries(32), datetime.now(UTC)
    answer = Recorded(signature=batch[0].signature, index=1, at=at, repeated=False)
    said = frame({"record": [packed_entry(each, 1.0) for each in batch]})
    told = frame({"outcomes": [packed_answer(each.record_id, answer) for each in batch]})
    _stage("worker: entries to a message", lambda: frame({"record": [packed_entry(each, 1.0) for each in batch]}))
    _stage("recorder: message to entries", lambda: parsed_message(said[LENGTH.size :]))
    _stage("recorder: answers", lambda: frame({"outcomes": [packed_answer(each.record_id, answer) for each in batch]}))
    _stage("worker: answers read", lambda: parsed_answers(told[LENGTH.size :]))
    for count in (1, 8, 32):
        made = iter([entries(count) for _ in range(RUNS * REPEATS)])
        _stage(f"recorder: one transaction for {count}", lambda: book.record_many(next(made)), per=count)  # noqa: B023


def _stage(name: str, step: Callable[[], object], *, per: int = 32) -> None:
    best = float("inf")
    for _ in range(RUNS):
        begun = time.process_time()
        for _ in range(REPEATS):
            step()
        best = min(best, (time.process_time() - begun) / REPEATS / per)
    print(f"| {name} | {best * 1e6:.0f} |")


def main() -> None:
    """Print both tables."""
    print(f"load average {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        migrate(f"sqlite:///{name}/stages.sqlite")
        opened = Database(settings(f"sqlite:///{name}/stages.sqlite"))
        stages(SqlBook(opened, ManualClock(PAST)))
        opened.close()
    print("| extra ms | callers x batch | way | records/s | p50 ms | p99 ms | CPU µs per record |")
    print("|---:|---|---|---:|---:|---:|---:|")
    for extra in (0.0, 0.002):
        for callers, batch in ((1, 1), (8, 1), (32, 1), (4, 8), (4, 32)):
            for way, workers in (("one worker, thread", 0), ("recorder, two workers", 2)):
                with tempfile.TemporaryDirectory() as name:
                    folder = Path(name) / "spool"
                    socket_path(folder).parent.mkdir(parents=True)
                    url = f"sqlite:///{name}/bench.sqlite"
                    migrate(url, log=False)
                    settings_of(folder, url)
                    database = Database(settings(url))
                    book = SqlBook(database, ManualClock(PAST))
                    version, revision = book.version(), book.revision()
                    database.close()
                    share = max(1, callers // workers) if workers else callers
                    scene = Scene(
                        folder=folder, version=version, revision=revision, callers=share, batch=batch, extra=extra
                    )
                    used = min(workers, callers)
                    print(f"| {extra * 1000:.0f} | {callers} x {batch} | {way} | {measured(scene, workers=used)} |")


if __name__ == "__main__":
    main()
