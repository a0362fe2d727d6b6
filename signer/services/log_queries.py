"""What may be read of the log, and by whom. Nothing that no checkpoint covers is ever told.

1. Hashes are for everybody who has proved who they are: checkpoint, keys, tiles, recalls, and proofs without a leaf.
2. What leaves say is for those who may read the log. What was looked for is shown only where it stands under the
   newest checkpoint, and where its own bytes say that it was wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from signer.domain.access.actions import Action
from signer.domain.identity import Identity
from signer.domain.leaves import search_columns
from signer.domain.log_keys import log_verifier_keys
from signer.errors import LogBeyondCheckpoint, LogDamaged
from signer.services.access import Access
from signer.services.log_checkpoints import NewestCheckpoint
from signer.services.log_proofs import LogProofService
from signer.services.ports import KeyStore, LeafQuery, LogEntry, LogReader
from signer.services.recalled_lists import RecalledLists
from verifier.log import Tile, packed_bundle
from verifier.log.tiles import TILE_WIDTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Entries in order. ``next_first``: where the next page begins; None where this is the last one."""

    entries: tuple[LogEntry, ...]
    next_first: int | None
    size: int


class LogQueryService:
    """Reads of the log. Each is asked for an identity and raises ``AccessDenied`` where that may not read it."""

    def __init__(
        self,
        *,
        reader: LogReader,
        newest: NewestCheckpoint,
        proofs: LogProofService,
        recalled: RecalledLists,
        store: KeyStore,
        access: Access,
    ) -> None:
        self._recalled = recalled
        self._reader = reader
        self._newest = newest
        self._proofs = proofs
        self._store = store
        self._access = access

    def checkpoint(self) -> bytes:
        """The newest checkpoint, a signed note."""
        return self._newest().note

    def verifier_keys(self) -> tuple[str, ...]:
        """The keys that the log's checkpoints are verified with (C2SP signed-note)."""
        origin = self._newest().checkpoint.origin
        return tuple(str(key) for key in log_verifier_keys(self._store.all_keys(), origin))

    def recalled(self) -> bytes:
        """All recalled manifests, a signed note; raises as ``RecalledLists.signed``."""
        return self._recalled.signed()

    def hashes(self, tile: Tile) -> bytes:
        """A tile of hashes, full or partial; raises ``LogBeyondCheckpoint``."""
        if tile.level is None:
            raise ValueError("a bundle holds no hashes")
        self._require_covered(tile)
        first = tile.number * TILE_WIDTH
        found = self._reader.stored_hashes(tile.level, first, first + tile.width)
        _require_all(found, tile.width, tile.leaves.start)
        return b"".join(found)

    def bundle(self, identity: Identity, tile: Tile) -> bytes:
        """A bundle of entries, full or partial; raises ``LogBeyondCheckpoint``."""
        self._access.require(identity, Action.READ_LOG)
        self._require_covered(tile)
        leaves = tile.leaves
        found = self._reader.leaves(leaves.start, leaves.stop)
        _require_all(found, len(leaves), leaves.start)
        return packed_bundle(found)

    def entries(self, identity: Identity, query: LeafQuery) -> Page:
        """The leaves that are wanted, in order, as far as the newest checkpoint covers them."""
        self._access.require(identity, Action.READ_LOG)
        size = self._newest().size
        # One more than is shown: whether there is another page.
        found = self._reader.find(replace(query, limit=query.limit + 1)) if query.first < size else []
        covered = [entry for entry in found if entry.index < size]
        shown = tuple(covered[: query.limit])
        for entry in shown:
            _require_wanted(entry, query)
        self._proofs.require_certified(shown)
        following = shown[-1].index + 1 if len(covered) > query.limit else None
        return Page(entries=shown, next_first=following, size=size)

    def _require_covered(self, tile: Tile) -> None:
        size = self._newest().size
        if not tile.within(size):
            raise LogBeyondCheckpoint(size=size)


def _require_all(found: Sequence[bytes], wanted: int, first: int) -> None:
    if len(found) != wanted:
        raise LogDamaged(index=first + len(found), problem="it is not on record")


def _require_wanted(entry: LogEntry, query: LeafQuery) -> None:
    """What is shown as found is what its own bytes say; a database that says otherwise is not believed."""
    columns = search_columns(entry.leaf)
    wanted = (
        (not query.types or columns.type in query.types)
        and all(
            asked is None or asked == told
            for asked, told in (
                (query.key, columns.key),
                (query.artifact, columns.artifact),
                (query.actor, columns.actor),
                (query.manifest_sha256, columns.manifest_sha256),
            )
        )
        and (query.since is None or columns.at >= query.since)
        and (query.until is None or columns.at < query.until)
    )
    if not wanted or entry.index < query.first:
        raise LogDamaged(index=entry.index, problem="what stands beside the leaf is not what it says")
