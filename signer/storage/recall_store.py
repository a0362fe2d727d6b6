"""Recalls in SQL. There is no way back: what is right is another release."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from signer.domain.leaves import LogEvent, search_columns
from signer.domain.recalls import NewRecall, Recall, SignedManifest, recall_draft
from signer.errors import LogMissing
from signer.errors.recalls import ManifestNotSigned, RecallsExhausted
from signer.services.access_ports import KeysMovedError
from signer.services.ports import Clock
from signer.storage.access import move_access_revision
from signer.storage.database import Database, retried
from signer.storage.log_transaction import logged
from signer.storage.recall_tables import recalled_manifests
from signer.storage.tables import keys, log_leaves, signatures, versions
from verifier.log.recalled import MOST_RECALLED

_ROWS = recalled_manifests.c
_KEYS = (
    select(keys.c.name)
    .distinct()
    .join(versions, versions.c.key_id == keys.c.id)
    .join(signatures, signatures.c.version_id == versions.c.id)
)
_NAMED_LEAF = (
    select(log_leaves.c.leaf)
    .join(signatures, signatures.c.id == log_leaves.c.signature_id)
    .where(log_leaves.c.type == LogEvent.SIGNATURE, log_leaves.c.artifact.is_not(None))
    .order_by(log_leaves.c.id)
    .limit(1)
)


class SqlRecalls:
    """``services.access_ports.RecallStore`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def manifests(self) -> frozenset[str]:
        """All recalled manifests."""
        with self._database.reading() as connection:
            return frozenset(connection.execute(select(_ROWS.manifest_sha256)).scalars())

    def recalls(self) -> tuple[Recall, ...]:
        """All of them, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(recalled_manifests).order_by(_ROWS.leaf)).mappings()
            return tuple(Recall(**row) for row in rows)

    def signed(self, manifest_sha256: str) -> SignedManifest:
        """What is on record of a manifest; no keys where nothing is."""
        with self._database.reading() as connection:
            return _signed(connection, manifest_sha256)

    @retried
    def recall(self, new: NewRecall) -> tuple[Recall, bool]:
        """Recall it, durable when the call returns, and whether that changed anything."""
        # The head of the log is locked: nothing is signed or recalled meanwhile.
        with logged(self._database, self._clock) as log:
            if log.head.size == 0:
                raise LogMissing
            known = log.connection.execute(
                select(recalled_manifests).where(_ROWS.manifest_sha256 == new.manifest_sha256)
            ).mappings()
            for row in known:
                return Recall(**row), False
            signed = _signed(log.connection, new.manifest_sha256)
            if not signed.keys:
                raise ManifestNotSigned(manifest_sha256=new.manifest_sha256)
            if new.keys is not None and not new.keys.issuperset(signed.keys):
                raise KeysMovedError
            before = list(log.connection.execute(select(_ROWS.manifest_sha256)).scalars())
            if len(before) >= MOST_RECALLED:
                raise RecallsExhausted(limit=MOST_RECALLED)
            recall = Recall(
                manifest_sha256=new.manifest_sha256,
                leaf=log.head.size,
                recalled_at=self._clock(),
                actor=new.actor,
                reason=new.reason,
            )
            log.connection.execute(insert(recalled_manifests).values(_row(recall)))
            move_access_revision(log.connection)
            log.tell_leaf(recall_draft(new, signed, [*before, new.manifest_sha256]))
        return recall, True


def _row(recall: Recall) -> dict[str, object]:
    return {column.name: getattr(recall, column.name) for column in recalled_manifests.columns}


def _signed(connection: Connection, manifest_sha256: str) -> SignedManifest:
    here = signatures.c.manifest_sha256 == manifest_sha256
    names = sorted(connection.execute(_KEYS.where(here)).scalars())
    leaf = connection.execute(_NAMED_LEAF.where(here)).scalar()
    artifact = None if leaf is None else search_columns(bytes(leaf)).artifact
    return SignedManifest(keys=tuple(names), artifact=artifact)
