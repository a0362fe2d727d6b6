"""Signatures and their leaves in SQL: one transaction for a batch, in which everything is decided once more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from signer.domain.access.versions import Order
from signer.domain.floors import Floor, FloorPlace
from signer.domain.keys import Validity, VersionState
from signer.domain.limits import Counted, CountPlace, Counts
from signer.domain.recording import Batch, RecordFacts, SignatureKey, SignatureOnRecord, VersionNow
from signer.domain.records import Outcome, RecordType, Refusal, Refused, SignatureEntry
from signer.domain.requests import Checked
from signer.domain.token_recording import TokenBatch
from signer.domain.token_records import Entry, TokenEntry
from signer.errors import DatabaseUnavailable, LogMissing
from signer.services.ports import Clock, LogHead
from signer.storage import record_statements as sql
from signer.storage.database import Database, gave_way_or_lost
from signer.storage.log_append import append, lock_head
from signer.storage.token_records import TokenRows


class SqlSignatureRecords:
    """Records signatures. Safe for threads; one process per machine does it at a time."""

    def __init__(self, *, database: Database, clock: Clock, clock_tolerance: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._tolerance = clock_tolerance
        self._sql = sql.statements(database.dialect)

    def record_many(self, entries: Sequence[Entry]) -> list[Outcome]:
        """An outcome for each entry, durable when the call returns.

        Raises ``DatabaseUnavailable``, ``DatabaseFull``, ``DatabaseReadOnly``, ``DatabaseFileLost`` or
        ``DatabaseDamaged`` for all of them; whether they are on record is not known then, and the same entries may be
        sent again.
        """
        try:
            return self._record(entries)
        except DatabaseUnavailable as error:
            # A connection that was lost during COMMIT leaves open what became of it. The second time looks for the
            # records by their ids, behind the locks that the first one holds until it has ended.
            if not gave_way_or_lost(error):
                raise
            return self._record(entries)

    def _record(self, entries: Sequence[Entry]) -> list[Outcome]:
        with self._database.writing() as connection:
            head = lock_head(connection)
            if head.size == 0:
                raise LogMissing
            outcomes, _, _ = self._decide(connection, head, entries)
        return outcomes

    def _decide(
        self, connection: Connection, head: LogHead, entries: Sequence[Entry]
    ) -> tuple[list[Outcome], Batch, LogHead]:
        """Decide under the lock of ``head``, and write; what became of each, what was added, and the new head."""
        transaction = _Transaction(connection, self._sql, head)
        batch = transaction.begin(entries, now=self._clock(), tolerance=self._tolerance)
        rows = TokenRows(connection, self._sql)
        sent = [entry for entry in entries if isinstance(entry, TokenEntry)]
        tokens = rows.begin(batch, sent) if sent else None
        outcomes = [_decided(batch, tokens, entry) for entry in entries]
        moved = transaction.write(batch) if batch.new_leaves else head
        if tokens is not None:
            rows.write(tokens)
        return outcomes, batch, moved


def _decided(batch: Batch, tokens: TokenBatch | None, entry: Entry) -> Outcome:
    if isinstance(entry, SignatureEntry):
        return batch.decide(entry)
    return tokens.decide(entry) if tokens is not None else Refused(reason=Refusal.NOT_ACTIVE)


@dataclass(frozen=True, slots=True)
class _Transaction:
    """One transaction. The order of its statements is the order of its locks: head, versions by id, access."""

    connection: Connection
    sql: sql.Statements
    head: LogHead

    def begin(self, sent: Sequence[Entry], *, now: datetime, tolerance: timedelta) -> Batch:
        entries = [entry for entry in sent if isinstance(entry, SignatureEntry)]
        digests = self.sql.listed({entry.manifest_sha256 for entry in entries})
        return Batch(
            size=self.head.size,
            newest=self.head.newest,
            versions=self._versions(sorted({entry.version_id for entry in sent})),
            revision=self._value(sql.REVISION),
            on_record=self._on_record(digests) if entries else {},
            floors=self._floors(entries),
            recalled=self._recalled(digests) if entries else frozenset(),
            counts=Counts(self._counts(entries)),
            now=now,
            tolerance=tolerance,
        )

    def write(self, batch: Batch) -> LogHead:
        if batch.new_signatures:
            self.sql.write(self.connection, sql.ADD_SIGNATURE, batch.new_signatures)
        moved = append(self.connection, self.head, batch.new_leaves)
        counted = [(id_, batch.versions[id_]) for id_ in sorted(batch.signed)]
        rows = [(version.signature_count, self._time(version.last_signed_at), id_) for id_, version in counted]
        if rows:
            self.sql.write(self.connection, sql.COUNT, rows)
        self._set_floors(batch)
        self._set_counts(batch)
        return moved

    def _floors(self, entries: Iterable[SignatureEntry]) -> dict[FloorPlace, Floor]:
        claims = [(entry.key, entry.claim) for entry in entries if entry.claim is not None]
        places = sorted({(key, *place) for key, claim in claims for place in claim.places})
        if not places:
            return {}
        rows = self.sql.rows(self.connection, sql.FLOORS, self.sql.places(places))
        return {
            (key, device, payload): Floor(order=Order(order), version=version, leaf=leaf)
            for key, device, payload, order, version, leaf in rows
        }

    def _set_floors(self, batch: Batch) -> None:
        floors = [(place, batch.floors[place]) for place in sorted(batch.moved_floors)]
        rows = [(*place, floor.order.value, floor.version, floor.leaf) for place, floor in floors]
        if rows:
            self.sql.write(self.connection, sql.SET_FLOOR, rows)

    def _counts(self, entries: Iterable[SignatureEntry]) -> dict[CountPlace, Counted]:
        places = sorted(
            {(entry.identity, entry.key, limit.period.value) for entry in entries for limit in entry.limits}
        )
        if not places:
            return {}
        rows = self.sql.rows(self.connection, sql.COUNTS, self.sql.places(places))
        return {
            (identity, key, period): Counted(number=number, signatures=signatures)
            for identity, key, period, number, signatures in rows
        }

    def _set_counts(self, batch: Batch) -> None:
        moved = sorted(batch.counts.moved.items())
        rows = [(*place, counted.number, counted.signatures) for place, counted in moved]
        if rows:
            self.sql.write(self.connection, sql.SET_COUNT, rows)

    def _versions(self, ids: Sequence[int]) -> dict[int, VersionNow]:
        rows = self.sql.rows(self.connection, sql.VERSIONS, {"ids": self.sql.listed(ids)})
        return {row[0]: self._version(row) for row in rows}

    def _version(self, row: Sequence[Any]) -> VersionNow:
        _, state, not_before, not_after, limit, count, last = row
        return VersionNow(
            state=VersionState(state),
            validity=Validity(
                not_before=self._read_time(not_before), not_after=self._read_time(not_after), signature_limit=limit
            ),
            signature_count=count,
            last_signed_at=self._read_time(last),
        )

    def _on_record(self, digests: Any) -> dict[SignatureKey, SignatureOnRecord]:
        signatures = {row[0]: row for row in self.sql.rows(self.connection, sql.ON_RECORD, {"digests": digests})}
        if not signatures:
            return {}
        found: dict[SignatureKey, SignatureOnRecord] = {}
        for signature_id, *record in self.sql.rows(self.connection, sql.RECORDS, {"ids": self.sql.listed(signatures)}):
            _, version_id, digest, signature = signatures[signature_id]
            known = found.setdefault(
                (version_id, digest), SignatureOnRecord(id=signature_id, signature=bytes(signature), records=[])
            )
            known.records.append(self._facts(record))
        return found

    def _facts(self, record: Sequence[Any]) -> RecordFacts:
        index, record_id, kind, checked, identity, at, emergency = record
        return RecordFacts(
            index=index,
            record_id=bytes(record_id),
            type=RecordType(kind),
            checked=Checked(checked),
            identity=identity,
            at=self.sql.read_time(at),
            emergency=bool(emergency),
        )

    def _recalled(self, digests: Any) -> frozenset[str]:
        rows = self.sql.rows(self.connection, sql.RECALLED, {"digests": digests})
        return frozenset(digest for (digest,) in rows)

    def _value(self, statement: str) -> int:
        return int(self.sql.rows(self.connection, statement, {})[0][0])

    def _time(self, value: datetime | None) -> Any:
        return None if value is None else self.sql.time(value)

    def _read_time(self, value: Any) -> datetime | None:
        return None if value is None else self.sql.read_time(value)
