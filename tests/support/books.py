"""What the tests of signature records share: entries, and the kinds of books that keep their records."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import select

from signer.domain.keys import UNBOUNDED, Validity, VersionState
from signer.domain.recording import SignatureKey, VersionNow
from signer.domain.records import Outcome, SignatureEntry
from signer.domain.requests import Checked
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_reader import SqlLogReader
from signer.storage.on_record import signatures_on_record
from signer.storage.signature_records import SqlSignatureRecords
from signer.storage.tables import log_leaves

from .memory_records import MemorySignatureRecords
from .records import add_pinned, event, swap

TOLERANCE = timedelta(seconds=5)
IDENTITY = "api-token:pipeline"


def digest(name: object) -> str:
    """A manifest's digest by a name."""
    return hashlib.sha256(str(name).encode()).hexdigest()


def entry(version_id: int, manifest: object = "one", **changes: Any) -> SignatureEntry:
    """An entry whose signature is its own."""
    members: dict[str, Any] = {
        "record_id": os.urandom(16),
        "request_id": "request-1",
        "key": "firmware",
        "version_id": version_id,
        "version": 1,
        "algorithm": "ecdsa-p256",
        "fingerprint": "f" * 64,
        "access_revision": 0,
        "rule": "role-signer",
        "manifest_sha256": digest(manifest),
        "checked": Checked.MANIFEST,
        "seen": {},
        "identity": IDENTITY,
        "signature": os.urandom(48).hex().encode(),
    }
    return SignatureEntry(**{**members, **changes})


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A record as it is kept."""

    index: int
    record_id: bytes
    type: str
    checked: str
    identity: str
    document: bytes


class Book(Protocol):
    """Records, and the versions that they are about."""

    def record_many(self, entries: Sequence[SignatureEntry]) -> list[Outcome]:
        """The port."""

    def find(self, places: Collection[SignatureKey]) -> dict[SignatureKey, bytes]:
        """The signatures on record."""

    def revision(self) -> int:
        """The present revision of access."""

    def version(self, *, state: VersionState = VersionState.ACTIVE, validity: Validity = UNBOUNDED) -> int:
        """A new version."""

    def move(self, version_id: int, state: VersionState) -> None:
        """Change the state of a version."""

    def signed(self, version_id: int) -> tuple[int, datetime | None]:
        """How often a version signed, and when last."""

    def next_index(self) -> int:
        """The index that the next leaf gets."""

    def written(self) -> list[Written]:
        """All records."""


class MemoryBook:
    """In memory."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.records = MemorySignatureRecords(clock=clock, clock_tolerance=TOLERANCE)
        self.record_many = self.records.record_many
        self.find = self.records.find

    def revision(self) -> int:
        """The present revision of access."""
        return self.records.revision

    def version(self, *, state: VersionState = VersionState.ACTIVE, validity: Validity = UNBOUNDED) -> int:
        """A new version."""
        version_id = len(self.records.versions) + 1
        self.records.versions[version_id] = VersionNow(
            state=state, validity=validity, signature_count=0, last_signed_at=None
        )
        self.records.revision += 1
        return version_id

    def move(self, version_id: int, state: VersionState) -> None:
        """Change the state of a version."""
        self.records.versions[version_id].state = state
        self.records.revision += 1

    def signed(self, version_id: int) -> tuple[int, datetime | None]:
        """How often a version signed, and when last."""
        version = self.records.versions[version_id]
        return version.signature_count, version.last_signed_at

    def next_index(self) -> int:
        """The index that the next leaf gets."""
        return len(self.records.records)

    def written(self) -> list[Written]:
        """All records."""
        return [
            Written(
                index=each.facts.index,
                record_id=each.facts.record_id,
                type=each.facts.type.value,
                checked=each.facts.checked.value,
                identity=each.facts.identity,
                document=each.leaf.content,
            )
            for each in self.records.records
        ]


class SqlBook:
    """On a database."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self.database = database
        self.store = SqlKeyStore(database=database, clock=clock)
        self.records = SqlSignatureRecords(database=database, clock=clock, clock_tolerance=TOLERANCE)
        self.record_many = self.records.record_many
        self._names: dict[int, str] = {}

    def find(self, places: Collection[SignatureKey]) -> dict[SignatureKey, bytes]:
        """The signatures on record."""
        looking = signatures_on_record(self.database)
        revision, found = asyncio.run(looking.find(places))
        assert revision == asyncio.run(looking.access_revision()) == self.revision()
        looking.close()
        return dict(found)

    def revision(self) -> int:
        """The present revision of access."""
        return self.store.access_revision()

    def version(self, *, state: VersionState = VersionState.ACTIVE, validity: Validity = UNBOUNDED) -> int:
        """A new version, of a key of its own."""
        key = add_pinned(self.store, f"key-{len(self._names)}", state=state, validity=validity)
        self._names[key.versions[0].id] = key.name
        return key.versions[0].id

    def move(self, version_id: int, state: VersionState) -> None:
        """Change the state of a version."""
        key = self.store.key(self._names[version_id])
        self.store.change(key, [swap(key.versions[0], state)], [event(key=key.name)])

    def signed(self, version_id: int) -> tuple[int, datetime | None]:
        """How often a version signed, and when last."""
        version = self.store.key(self._names[version_id]).versions[0]
        return version.signature_count, version.last_signed_at

    def next_index(self) -> int:
        """The index that the next leaf gets."""
        return SqlLogReader(database=self.database).head().size

    def written(self) -> list[Written]:
        """All records."""
        with self.database.reading() as connection:
            recorded = select(log_leaves).where(log_leaves.c.signature_id.is_not(None)).order_by(log_leaves.c.id)
            rows = connection.execute(recorded).all()
        return [
            Written(
                index=row.id,
                record_id=row.leaf_id,
                type=row.type,
                checked=row.checked,
                identity=row.actor,
                document=row.leaf,
            )
            for row in rows
        ]
