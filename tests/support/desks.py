"""Records as the recorder keeps them, on a database of a test's own, and what its owner can do to that."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from signer.domain.verified_log import VerifiedLog
from signer.storage.certified_records import CertifiedRecords
from signer.storage.database import Database
from signer.storage.log_reader import SqlLogReader
from tests.support.books import TOLERANCE, SqlBook, entry
from tests.support.clock import ManualClock
from tests.support.databases import Opener


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A recorder's records on a database, and a version that signs."""

    book: SqlBook
    records: CertifiedRecords
    version: int
    clock: ManualClock

    @property
    def database(self) -> Database:
        """Their database."""
        return self.book.database

    def record(self, *manifests: object) -> list[Any]:
        """Signatures of these manifests."""
        revision = self.book.revision()
        return list(
            self.records.record_many([entry(self.version, each, access_revision=revision) for each in manifests])
        )


@contextmanager
def made_desk(url: str, clock: ManualClock) -> Iterator[Desk]:
    """A desk on this database."""
    opener = Opener(url)
    book = SqlBook(opener(), clock)
    version = book.version()
    seconds = itertools.count(1)
    records = CertifiedRecords(
        # Connections of its own, as its process has them.
        database=opener(),
        clock=clock,
        clock_tolerance=TOLERANCE,
        log=whole_log(book.database),
        machine="one",
        failover_check=True,
        monotonic=lambda: float(next(seconds)),
    )
    yield Desk(book=book, records=records, version=version, clock=clock)
    opener.close()


def whole_log(database: Database) -> VerifiedLog:
    """The log, verified from its first leaf."""
    reader = SqlLogReader(database=database)
    return VerifiedLog().extended(reader.leaves(0, reader.head().size))
