"""Proofs that leaves are on record, and that the log only grew.

1. A proof leaves only after it was checked here: against the root of the newest checkpoint, or for an older size
   together with a proof that the newest checkpoint's tree begins with that one.
2. For who asks for witnesses the newest checkpoint that they signed takes its place, whose tree is shown to be the
   beginning of the newest one. What is told of them is no more believed than that.
3. The leaf of a signature is for those who may read or use its key; a proof without a leaf is hashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from signer.domain.access.actions import Action
from signer.domain.identity import Identity
from signer.domain.leaves import LogEvent, search_columns
from signer.domain.requests import Checked
from signer.errors import LogBeyondCheckpoint, LogDamaged, LogEntryNotFound, LogNotWitnessed
from signer.errors.recalls import ManifestRecalled
from signer.services.access import Access
from signer.services.access_ports import RecalledManifests
from signer.services.log_checkpoints import NewestCheckpoint, PublishedCheckpoint
from signer.services.log_leaves import RecentLeaves
from signer.services.log_tree import LogTree, Path
from signer.services.ports import KeyStore, LeafQuery, LogEntry, LogReader
from verifier.errors import ConsistencyRefused, InclusionRefused
from verifier.log import EMPTY_ROOT, LogProof, leaf_hash, verify_consistency, verify_inclusion

# Of the leaves of one manifest and key: each version has at most two for each amount that was seen.
MOST_LEAVES = 1000
_AMOUNTS = {checked.value: number for number, checked in enumerate(Checked)}


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """The path of one leaf to a root.

    Attributes:
        checkpoint: the signed note of this very size; None for a size of which none was asked for or is at hand.
        leaf: its bytes; None where only hashes were asked for.
    """

    index: int
    size: int
    root: bytes
    path: Path
    checkpoint: bytes | None = field(repr=False, default=None)
    leaf: bytes | None = field(repr=False, default=None)

    @property
    def text(self) -> bytes | None:
        """The proof file (C2SP tlog-proof), with the leaf where it is known; None without a checkpoint."""
        if self.checkpoint is None:
            return None
        return bytes(LogProof(index=self.index, path=self.path, checkpoint=self.checkpoint, extra=self.leaf or b""))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """That the tree of ``size`` begins with that of ``old_size``."""

    old_size: int
    size: int
    old_root: bytes
    root: bytes
    path: Path


class LogProofService:
    """Makes proofs for one process. Safe for threads."""

    def __init__(
        self,
        *,
        reader: LogReader,
        newest: NewestCheckpoint,
        store: KeyStore,
        recalls: RecalledManifests,
        access: Access,
    ) -> None:
        self._reader = reader
        self._recalls = recalls
        self._newest = newest
        self._store = store
        self._access = access
        self._tree = LogTree(reader.stored_hashes)
        self._leaves = RecentLeaves(reader=reader, tree=self._tree)

    def of_leaves(self, indexes: Sequence[int]) -> list[InclusionProof]:
        """For each leaf its proof under the newest checkpoint, with the leaf; what they share is read once.

        For the service's own answers: nobody is asked whether they may. Raises ``LogBeyondCheckpoint``.
        """
        newest = self._newest()
        if max(indexes, default=-1) >= newest.size:
            raise LogBeyondCheckpoint(size=newest.size)
        leaves = self._leaves.read(indexes, newest.size)
        return self._proved(newest, [LogEntry(index=index, leaf=leaves[index]) for index in indexes])

    def of_index(self, index: int, size: int | None, *, witnessed: bool = False) -> InclusionProof:
        """The path of a leaf, in the newest checkpoint's tree or an older one; raises ``LogBeyondCheckpoint``.

        ``witnessed``: in place of a size, that of the newest checkpoint that witnesses signed; else
        ``LogNotWitnessed``.
        """
        newest = self._newest()
        wanted = newest.size if size is None else size
        if not index < wanted <= newest.size:
            raise LogBeyondCheckpoint(size=newest.size)
        (hashed,) = self._reader.stored_hashes(0, index, index + 1)
        if witnessed:
            return self._witnessed(newest, index, hashed)
        paths, root = self._checked(newest, {index: hashed}, wanted)
        note = newest.note if wanted == newest.size else None
        return InclusionProof(index=index, size=wanted, root=root, path=paths[index], checkpoint=note)

    def of_manifest(
        self, identity: Identity, *, manifest_sha256: str, key: str, version: int | None, witnessed: bool = False
    ) -> InclusionProof:
        """The proof of a signature of this manifest: by the newest version, in no emergency, after most was seen.

        ``witnessed``: under the newest checkpoint that witnesses signed. Raises ``AccessDenied``, ``KeyNotFound``,
        ``ManifestRecalled``, ``LogEntryNotFound`` or ``LogNotWitnessed``.
        """
        self._access.require(identity, Action.READ, key)
        self._store.key(key)
        if manifest_sha256 in self._recalls.manifests():
            # The leaf holds the signature.
            raise ManifestRecalled(manifest_sha256=manifest_sha256)
        newest = self._newest()
        query = LeafQuery(
            first=0, limit=MOST_LEAVES, types=(LogEvent.SIGNATURE.value,), key=key, manifest_sha256=manifest_sha256
        )
        found = [
            (columns.key_version or 0, not columns.emergency, _AMOUNTS.get(columns.checked or "", -1), entry)
            for entry, columns in ((entry, search_columns(entry.leaf)) for entry in self._reader.find(query))
            if entry.index < newest.size
            and columns.type == LogEvent.SIGNATURE
            and columns.key == key
            and columns.manifest_sha256 == manifest_sha256
            and version in (None, columns.key_version)
        ]
        if not found:
            raise LogEntryNotFound(key=key, manifest_sha256=manifest_sha256)
        entry = max(found, key=lambda each: each[:3])[3]
        if witnessed:
            return replace(self._witnessed(newest, entry.index, leaf_hash(entry.leaf)), leaf=entry.leaf)
        (proof,) = self._proved(newest, [entry])
        return proof

    def of_growth(self, old_size: int, size: int | None) -> ConsistencyProof:
        """That the log only grew from one size to another; raises ``LogBeyondCheckpoint``."""
        newest = self._newest()
        wanted = newest.size if size is None else size
        if not old_size <= wanted <= newest.size:
            raise LogBeyondCheckpoint(size=newest.size)
        root = self._certified_root(newest, wanted)
        path = self._tree.consistency(old_size, wanted)
        old_root = self._root(old_size)
        try:
            verify_consistency(old_size=old_size, old_root=old_root, size=wanted, root=root, path=path)
        except ConsistencyRefused:
            raise self._damaged(old_size) from None
        return ConsistencyProof(old_size=old_size, size=wanted, old_root=old_root, root=root, path=path)

    def require_certified(self, entries: Sequence[LogEntry]) -> None:
        """Raises ``LogDamaged`` where one of the entries does not stand under the newest checkpoint."""
        if entries:
            newest = self._newest()
            self._checked(newest, {each.index: leaf_hash(each.leaf) for each in entries}, newest.size)

    def _witnessed(self, newest: PublishedCheckpoint, index: int, hashed: bytes) -> InclusionProof:
        told = self._newest.cosigned()
        if told is None or told.checkpoint.origin != newest.checkpoint.origin or not index < told.size <= newest.size:
            raise LogNotWitnessed(index=index)
        paths, root = self._checked(newest, {index: hashed}, told.size)
        if root != told.checkpoint.root:
            # It lies beside the checkpoint's file, and may be of a log that was there before.
            raise LogNotWitnessed(index=index)
        return InclusionProof(index=index, size=told.size, root=root, path=paths[index], checkpoint=told.note)

    def _proved(self, newest: PublishedCheckpoint, entries: Sequence[LogEntry]) -> list[InclusionProof]:
        paths, root = self._checked(newest, {each.index: leaf_hash(each.leaf) for each in entries}, newest.size)
        return [
            InclusionProof(
                index=entry.index,
                size=newest.size,
                root=root,
                path=paths[entry.index],
                checkpoint=newest.note,
                leaf=entry.leaf,
            )
            for entry in entries
        ]

    def _checked(
        self, newest: PublishedCheckpoint, hashed: Mapping[int, bytes], size: int
    ) -> tuple[Mapping[int, Path], bytes]:
        """The paths of these leaf hashes, each of which leads to the root; what does not is damage, and named."""
        root = self._certified_root(newest, size)
        paths = dict(zip(hashed, self._tree.inclusion(hashed, size), strict=True))
        for index, leaf in hashed.items():
            try:
                verify_inclusion(index=index, size=size, leaf=leaf, path=paths[index], root=root)
            except InclusionRefused:
                raise self._damaged(index) from None
        return paths, root

    def _certified_root(self, newest: PublishedCheckpoint, size: int) -> bytes:
        """The root of the first ``size`` leaves, which the newest checkpoint vouches for."""
        certified = newest.checkpoint.root
        if size == newest.size:
            return certified
        root = self._root(size)
        path = self._tree.consistency(size, newest.size)
        try:
            verify_consistency(old_size=size, old_root=root, size=newest.size, root=certified, path=path)
        except ConsistencyRefused:
            raise self._damaged(size) from None
        return root

    def _root(self, size: int) -> bytes:
        return self._tree.root(size) if size else EMPTY_ROOT

    def _damaged(self, index: int) -> LogDamaged:
        # What was kept may be what is wrong: a database that was put back is read anew.
        self._tree.forget()
        self._leaves.forget()
        return LogDamaged(index=index, problem="its hashes do not lead to the root of the newest checkpoint")
