"""Appending to the log: what gathers while a commit is under way goes in with the next one, beside one commit each.

Writers are threads that each put a batch of signatures on record and wait until it is durable. "gathered" is what the
recorder does, without its messages between processes; "each for itself" is a transaction for every batch. ``extra`` is
what a slower disk would add to every commit, under its locks. Processor time is that of this process, and on PostgreSQL
the server's is not in it. Run by ``python -m tests.bench.bench_log_append``.
"""

from __future__ import annotations

import itertools
import os
import queue
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import event

from signer.domain.records import Outcome, SignatureEntry
from signer.storage.database import Database
from signer.storage.signature_records import SqlSignatureRecords
from tests.support import postgres
from tests.support.books import TOLERANCE, SqlBook, entry
from tests.support.clock import ManualClock
from tests.support.databases import migrate, settings

SECONDS = 2.0
MAX_GATHERED = 1024
LOADS = ((1, 1), (8, 1), (32, 1), (1, 32), (8, 32), (1, 256), (8, 256))
PAST = datetime(2020, 1, 1, tzinfo=UTC)

Record = Callable[[Sequence[SignatureEntry]], list[Outcome]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """A log with one version that signs."""

    database: Database
    records: SqlSignatureRecords
    version: int
    revision: int


class Gathering:
    """One thread that commits all that has come since it last did."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._waiting: queue.SimpleQueue[tuple[Sequence[SignatureEntry], Future[list[Outcome]]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def record(self, entries: Sequence[SignatureEntry]) -> list[Outcome]:
        """Put the batch on record together with others."""
        future: Future[list[Outcome]] = Future()
        self._waiting.put((entries, future))
        return future.result()

    def close(self) -> None:
        """End the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, size = [first], len(first[0])
            while size < MAX_GATHERED and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    self._waiting.put(None)
                    break
                batch.append(following)
                size += len(following[0])
            outcomes = iter(self._record([each for entries, _ in batch for each in entries]))
            for entries, future in batch:
                future.set_result(list(itertools.islice(outcomes, len(entries))))


@contextmanager
def opened(url: str, extra: float) -> Iterator[Book]:
    """A new log in this database, on a disk that is slower by ``extra`` seconds."""
    migrate(url)
    database = Database(settings(url))
    made = SqlBook(database, ManualClock(PAST))
    version, revision = made.version(), made.revision()
    if extra:
        event.listen(database._engine, "commit", lambda _connection: time.sleep(extra))
    records = SqlSignatureRecords(database=database, clock=lambda: datetime.now(UTC), clock_tolerance=TOLERANCE)
    try:
        yield Book(database=database, records=records, version=version, revision=revision)
    finally:
        database.close()


def rate(book: Book, record: Record, *, writers: int, batch: int) -> tuple[float, float]:
    """Leaves per second, and processor seconds per leaf."""
    counts = [0] * writers
    begun, busy = time.monotonic(), processor_seconds()
    end = begun + SECONDS

    def write(number: int) -> None:
        while time.monotonic() < end:
            marks = [f"{number} {counts[number]} {part} {begun}" for part in range(batch)]
            record([entry(book.version, mark, access_revision=book.revision) for mark in marks])
            counts[number] += batch

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = sum(counts)
    return total / (time.monotonic() - begun), (processor_seconds() - busy) / total


def processor_seconds() -> float:
    """Of this process, all its threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def row(kind: str, url: Callable[[], str], extra: float, writers: int, batch: int) -> None:
    """Print both ways under one load."""
    with opened(url(), extra) as book:
        gathering = Gathering(book.records.record_many)
        gathered, cost = rate(book, gathering.record, writers=writers, batch=batch)
        gathering.close()
    with opened(url(), extra) as book:
        alone, _ = rate(book, book.records.record_many, writers=writers, batch=batch)
    rates = f"{gathered:.0f} | {alone:.0f} | {gathered / alone:.1f} | {cost * 1e6:.0f}"
    print(f"| {kind} | {extra * 1000:.0f} | {writers} x {batch} | {rates} |", flush=True)


def main() -> None:
    """Print the table."""
    print(f"load average {os.getloadavg()[0]:.1f}")
    print("| database | extra ms | writers x batch | gathered, leaves/s | each for itself | ratio | CPU µs per leaf |")
    print("|---|---:|---|---:|---:|---:|---:|")
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as name:

        def file() -> str:
            path = Path(name) / f"{next(numbers)}.sqlite"
            path.touch()
            return f"sqlite:///{path}"

        for extra in (0.0, 0.002):
            for writers, batch in LOADS:
                row("SQLite", file, extra, writers, batch)
    if reason := postgres.missing():
        print(f"no rows for PostgreSQL: {reason}")
        return
    with postgres.running_cluster() as cluster:
        for extra in (0.0, 0.002):
            for writers, batch in LOADS:
                row("PostgreSQL", lambda: cluster.create_database(f"bench_{next(numbers)}"), extra, writers, batch)


if __name__ == "__main__":
    main()
