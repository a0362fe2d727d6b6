"""Signatures and their leaves, recorded only on a log that this process has verified itself, leaf by leaf."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy import Connection

from signer.domain.leaves import LeafDraft
from signer.domain.records import Outcome
from signer.domain.token_records import Entry
from signer.domain.verified_log import VerifiedLog
from signer.errors import FailoverUnconfirmed
from signer.services.ports import Clock
from signer.storage import record_statements as sql
from signer.storage.database import Database
from signer.storage.failover import FailoverCheck
from signer.storage.issued_tokens import remove_expired
from signer.storage.log_append import append, lock_head, read_head
from signer.storage.server_clock import ServerClock
from signer.storage.signature_records import SqlSignatureRecords
from signer.storage.verified_head import VerifiedHead

# Buckets have run out by then, and clocks of several machines agree that it is over.
KEPT_EXPIRED = timedelta(hours=1)


class CertifiedRecords(SqlSignatureRecords):
    """Records signatures, and follows the log. For one thread.

    Every call raises what ``VerifiedHead.follow`` and the database raise. ``server_clock``: what nothing is recorded
    without agreeing with, where there is one; calls that record raise ``ClockDiffers``.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        clock_tolerance: timedelta,
        log: VerifiedLog,
        machine: str,
        failover_check: bool,
        monotonic: Callable[[], float],
        server_clock: ServerClock | None = None,
    ) -> None:
        super().__init__(database=database, clock=clock, clock_tolerance=clock_tolerance)
        self._kept = database.kept()
        self._verified = VerifiedHead(log, dialect=database.dialect, monotonic=monotonic)
        self._failover = FailoverCheck(
            machine=machine, statements=self._sql, enabled=failover_check and database.dialect == "postgresql"
        )
        self._server_clock = server_clock
        self._unwritten: tuple[int, bytes] | None = None

    @property
    def verified(self) -> VerifiedLog:
        """The log as far as it was verified."""
        return self._verified.log

    def keep(self, size: int, note: bytes) -> None:
        """Write this checkpoint into the database with the next batch, or when ``flush`` is called."""
        self._unwritten = size, note

    def flush(self) -> None:
        """Write the checkpoint that waits, where there is one."""
        if self._unwritten is not None:
            with self._kept.writing() as connection:
                self._write_checkpoint(connection)

    def look(self) -> None:
        """Take over what others have appended, and compare what gives power where it may have changed."""
        with self._kept.reading() as connection:
            head = read_head(self._sql, self._sql.rows(connection, sql.UNLOCKED_HEAD, {})[0])
            moved = self._verified.moved(connection, head)
        if moved:
            with self._kept.writing() as connection:
                self._verified.follow(connection, lock_head(connection))

    def prove(self) -> None:
        """As ``look``, and write a row durably, but no leaf: so the database takes what is recorded."""
        with self._kept.writing() as connection:
            self._verified.follow(connection, lock_head(connection))
            self._compare_clocks(connection)
            self._failover.write(connection, self.verified, self._clock())
            awaited = self._failover.awaited(connection, self.verified, self._clock())
        if awaited:
            raise FailoverUnconfirmed(machines=awaited)

    def tell(self, drafts: Sequence[LeafDraft]) -> None:
        """Append leaves that are no signatures, durable when the call returns."""
        with self._kept.writing() as connection:
            head = lock_head(connection)
            self._verified.follow(connection, head)
            self._compare_clocks(connection)
            now = self._clock()
            at = now if head.newest is None else max(now, head.newest)
            leaves = [draft.leaf(at=at) for draft in drafts]
            moved = append(connection, head, leaves)
        with self._kept.reading() as connection:
            self._verified.confirm(connection, moved, {leaf.content: at for leaf in leaves})

    def tidy(self) -> bool:
        """Remove tokens that ended long ago, a few at a time; whether there may be more."""
        with self._kept.writing() as connection:
            return remove_expired(connection, before=self._clock() - KEPT_EXPIRED) > 0

    def _record(self, entries: Sequence[Entry]) -> list[Outcome]:
        with self._kept.writing() as connection:
            head = lock_head(connection)
            self._verified.follow(connection, head)
            self._compare_clocks(connection)
            awaited = self._failover.awaited(connection, self.verified, self._clock())
            if not awaited:
                outcomes, batch, moved = self._decide(connection, head, entries)
                self._write_checkpoint(connection)
        if awaited:
            raise FailoverUnconfirmed(machines=awaited)
        if batch.new_leaves:
            # Not what was meant to be stored, but what is.
            own = {leaf.content: leaf.columns.at for leaf in batch.new_leaves}
            with self._kept.reading() as connection:
                self._verified.confirm(connection, moved, own)
        return outcomes

    def _compare_clocks(self, connection: Connection) -> None:
        if self._server_clock is not None:
            self._server_clock.compare(connection)

    def _write_checkpoint(self, connection: Connection) -> None:
        if self._unwritten is not None:
            self._sql.write(connection, sql.ADD_CHECKPOINT, [self._unwritten])
            self._unwritten = None
