"""Databases with a log whose every part can be checked: real keys, real signatures, checkpoints as they came."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import insert

from signer.domain.events import Event, EventType
from signer.domain.keys import VersionState
from signer.domain.leaves import LeafDraft, LogEvent
from signer.domain.records import Recorded
from signer.domain.requests import Checked
from signer.domain.verified_log import VerifiedLog
from signer.log.check import CheckPlan, Verdict
from signer.log.database_check import check_database
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_audit import SqlLogAudit
from signer.storage.log_reader import SqlLogReader
from signer.storage.log_transaction import logged
from signer.storage.signature_records import SqlSignatureRecords
from signer.storage.tables import log_checkpoints, log_machines
from tests.support.books import entry
from tests.support.clock import ManualClock
from tests.support.records import event, new_key, new_version, swap
from tests.support.written_logs import KEY, ORIGIN, fingerprint, note, signature, spki, verifier_key
from verifier.log.leaves import LeafValue

AT_ONCE = 256
_serial = itertools.count()


class AuditedLog:
    """A log in a database, with a key that signs."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database, self.clock = database, clock
        self.store = SqlKeyStore(database=database, clock=clock)
        self.api_tokens = SqlApiTokenStore(database=database, clock=clock)
        self.records = SqlSignatureRecords(database=database, clock=clock, clock_tolerance=timedelta(seconds=5))
        self.version_id = self._key()
        self.newest: bytes | None = None

    def _key(self) -> int:
        key = self.store.add_key(new_key(KEY), new_version(), event(key=KEY))
        pinned = {"spki": spki(), "fingerprint": fingerprint()}
        after = {"fingerprint": fingerprint(), "public_key": base64.b64encode(spki()).decode()}
        made = Event(type=EventType.KEY_CREATED, actor="test", key=KEY, version=1, before={}, after=after)
        return self.store.change(key, [swap(key.versions[0], VersionState.ACTIVE, **pinned)], [made]).versions[0].id

    def sign(self, count: int, *, again: bool = False) -> None:
        """Signatures of new manifests; ``again``: each is given to another identity, and seen more of, too."""
        for _ in range(count):
            self.clock.advance(milliseconds=1)
            manifest = b"manifest %d" % next(_serial)
            one = partial(
                entry,
                self.version_id,
                access_revision=self.store.access_revision(),
                fingerprint=fingerprint(),
                manifest_sha256=hashlib.sha256(manifest).hexdigest(),
                signature=signature(manifest).encode(),
            )
            entries = [one()]
            if again:
                entries += [one(identity="api-token:other"), one(checked=Checked.HEAD, seen={"artifact": "release-1"})]
            assert all(isinstance(each, Recorded) for each in self.records.record_many(entries))

    def sign_fast(self, count: int) -> None:
        """Signatures of new manifests, many to a transaction."""
        revision = self.store.access_revision()
        for first in range(0, count, AT_ONCE):
            self.clock.advance(milliseconds=1)
            manifests = [b"manifest %d" % next(_serial) for _ in range(first, min(first + AT_ONCE, count))]
            entries = [
                entry(
                    self.version_id,
                    access_revision=revision,
                    fingerprint=fingerprint(),
                    manifest_sha256=hashlib.sha256(manifest).hexdigest(),
                    signature=signature(manifest).encode(),
                )
                for manifest in manifests
            ]
            assert all(isinstance(each, Recorded) for each in self.records.record_many(entries))

    def tell_keys(self) -> None:
        """A leaf names the key of the log."""
        members: dict[str, LeafValue] = {"origin": ORIGIN, "keys": [str(verifier_key())]}
        with logged(self.database, self.clock) as log:
            log.tell_leaf(LeafDraft(type=LogEvent.LOG_KEY_CHANGED, actor="test", members=members))

    def keep(self, path: Path) -> None:
        """A checkpoint of now in a file of its own, new or in the place of the one there."""
        reader = SqlLogReader(database=self.database)
        log = VerifiedLog().extended(reader.leaves(0, reader.head().size))
        path.unlink(missing_ok=True)
        CheckpointFile(path).create(note=self.certify(), log=log)

    def certify(self, *, row: bool = True, machine: str | None = None) -> bytes:
        """A checkpoint over all of it, by the key of the test."""
        head = SqlLogReader(database=self.database).head()
        self.newest = note(head.size, head.root)
        with self.database.writing() as connection:
            if row:
                connection.execute(insert(log_checkpoints).values(size=head.size, note=self.newest))
            if machine:
                seen = {"size": head.size, "root": head.root, "seen_at": self.clock(), "timeline": "1"}
                connection.execute(insert(log_machines).values(machine=machine, **seen))
        return self.newest

    def check(self, *, since: Sequence[bytes] = ()) -> Verdict:
        """The verdict on it now."""
        return check_audited(self.database, self.newest, since=since)


def check_audited(database: Database, newest: bytes | None, *, since: Sequence[bytes] = ()) -> Verdict:
    """The verdict on a database, with the newest checkpoint kept outside."""
    plan = CheckPlan(keys=(verifier_key(),), since=since, processes=1)
    return check_database(SqlLogAudit(database=database), newest, plan)
