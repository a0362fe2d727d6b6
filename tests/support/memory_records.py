"""Signature records in memory: the same decisions over dictionaries, for tests that need no database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from signer.domain.floors import Floor, FloorPlace
from signer.domain.leaves import Leaf
from signer.domain.limits import Counted, CountPlace, Counts
from signer.domain.recording import (
    Batch,
    RecordFacts,
    SignatureKey,
    SignatureOnRecord,
    VersionNow,
)
from signer.domain.records import Outcome, SignatureEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRecord:
    """A record: the leaf, and what decides of it."""

    facts: RecordFacts
    leaf: Leaf


class MemorySignatureRecords:
    """As ``SqlSignatureRecords``. ``versions`` and ``revision`` are for tests to set."""

    def __init__(self, *, clock: Callable[[], datetime], clock_tolerance: timedelta) -> None:
        self.versions: dict[int, VersionNow] = {}
        self.revision = 0
        self.records: list[MemoryRecord] = []
        self.floors: dict[FloorPlace, Floor] = {}
        self.counts: dict[CountPlace, Counted] = {}
        self._size = 0
        self._signatures: dict[SignatureKey, tuple[int, bytes]] = {}
        self._clock = clock
        self._tolerance = clock_tolerance
        self._lock = threading.Lock()

    def record_many(self, entries: Sequence[SignatureEntry]) -> list[Outcome]:
        """An outcome for each entry."""
        with self._lock:
            batch = Batch(
                revision=self.revision,
                size=self._size,
                newest=self.records[-1].facts.at if self.records else None,
                versions=self.versions,
                on_record={key: self._on_record(key) for key in self._signatures},
                floors=self.floors,
                counts=Counts(self.counts),
                now=self._clock(),
                tolerance=self._tolerance,
            )
            outcomes = [batch.decide(entry) for entry in entries]
            self.records += self._added(batch)
            self._size = batch.size
            for new in batch.new_signatures:
                self._signatures[new.version_id, new.manifest_sha256] = new.id, new.signature
            return outcomes

    def find(self, places: Collection[SignatureKey]) -> dict[SignatureKey, bytes]:
        """The signatures on record."""
        return {key: signature for key, (_, signature) in self._signatures.items() if key in places}

    def _added(self, batch: Batch) -> list[MemoryRecord]:
        facts = {each.index: each for signature in batch.on_record.values() for each in signature.records}
        leaves = enumerate(batch.new_leaves, self._size)
        return [MemoryRecord(facts=facts[index], leaf=leaf) for index, leaf in leaves if index in facts]

    def _on_record(self, key: SignatureKey) -> SignatureOnRecord:
        id_, signature = self._signatures[key]
        records = [each.facts for each in self.records if each.leaf.signature_id == id_]
        return SignatureOnRecord(id=id_, signature=signature, records=records)
