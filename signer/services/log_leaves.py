"""Leaves for proofs: those that were recorded last are read once, with all that is new beside them.

Who has just been recorded asks for a leaf in the last tile, whose new hashes its proof needs too. So the new leaves are
read instead, all in one go; their hashes are made of their bytes, and the next ones who ask find their leaves here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from signer.errors import LogDamaged
from signer.services.log_tree import LogTree
from signer.services.ports import LogReader
from verifier.log import leaf_hash
from verifier.log.tiles import TILE_WIDTH

# Leaves that are no further apart are read together with those between them, which costs less than to ask twice.
NEAR = 32


class RecentLeaves:
    """Reads leaves. Safe for threads."""

    def __init__(self, *, reader: LogReader, tree: LogTree) -> None:
        self._reader = reader
        self._tree = tree
        # Never changed, only replaced: at most those of two tiles.
        self._kept: Mapping[int, bytes] = {}

    def read(self, indexes: Iterable[int], size: int) -> dict[int, bytes]:
        """The leaves, of a log of ``size``; raises ``LogDamaged`` where one is missing."""
        kept, wanted = self._kept, set(indexes)
        missing = sorted(wanted.difference(kept))
        found = dict(kept)
        if missing:
            first = self._tree.beginning(size)
            found |= self._new(first, size) if first <= missing[0] else self._near(missing)
        return {index: found[index] for index in wanted}

    def forget(self) -> None:
        """Read everything anew."""
        self._kept = {}

    def _new(self, first: int, size: int) -> dict[int, bytes]:
        """All that is new in the last tile."""
        leaves = self._range(first, size)
        self._tree.learn(first, [leaf_hash(leaf) for leaf in leaves])
        new = dict(zip(range(first, size), leaves, strict=True))
        kept = self._kept
        self._kept = {**kept, **new} if len(kept) < TILE_WIDTH else new
        return new

    def _near(self, indexes: Sequence[int]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for first, end in _runs(indexes):
            found |= zip(range(first, end), self._range(first, end), strict=True)
        return found

    def _range(self, first: int, end: int) -> list[bytes]:
        leaves = self._reader.leaves(first, end)
        if len(leaves) != end - first:
            raise LogDamaged(index=first + len(leaves), problem="it is not on record")
        return leaves


def _runs(indexes: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for index in indexes:
        if runs and index - runs[-1][1] < NEAR:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs
