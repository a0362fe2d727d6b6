"""Checkpoints of sizes that a check passes on its way: the tree of each has to be the one that was there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from signer.log.faults import Fault, FaultKind
from signer.log.levels import split
from signer.log.source import Extent
from verifier.errors import ConsistencyRefused
from verifier.log.hashing import HASH_BYTES, Frontier, consistency_subtrees, subtree_hash, verify_consistency
from verifier.log.tiles import TILE_LEVELS, TILE_WIDTH

Hashes = Callable[[int, int, int], bytes]
"""The first hashes of a tile: level, number, width."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """The tree of ``size`` leaves has this root, or else ``kind`` is what is wrong.

    ``who`` says so, where that is not plain from the kind. ``problem``: it is wrong already, whatever the log holds.
    """

    size: int
    root: bytes
    kind: FaultKind
    who: str = ""
    problem: str = ""

    def fault(self, good: int) -> Fault:
        """It has another one. ``good``: the size of the last tree that was the right one."""
        where = self.problem or self._where(good)
        return Fault(self.kind, None, {"size": self.size, "since": self.size, "where": where, "who": self.who})

    @staticmethod
    def _where(good: int) -> str:
        return f"it may be so from leaf {good} on" if good else "no smaller tree of it is known to be right"


class Milestones:
    """In the order of their sizes; each is asked about once, when the leaves up to it are known."""

    def __init__(self, milestones: Iterable[Milestone]) -> None:
        self._rest: Iterator[Milestone] = iter(milestones)
        self._next = next(self._rest, None)
        self.good = 0

    def pass_by(self, before: Frontier, leaf_hashes: bytes) -> Fault | None:
        """The log grows by these leaves."""
        frontier, end = before, before.size + len(leaf_hashes) // HASH_BYTES
        while self._next is not None and self._next.size <= end:
            start = (frontier.size - before.size) * HASH_BYTES
            upto = (self._next.size - before.size) * HASH_BYTES
            if upto >= start:
                frontier = frontier.extended(split(leaf_hashes[start:upto]))
                if self._next.problem or frontier.root != self._next.root:
                    return self._next.fault(self.good)
                self.good = frontier.size
            self._next = next(self._rest, None)
        return None


def begins_with(milestone: Milestone, whole: Extent, hashes: Hashes) -> Fault | None:
    """Whether a log's tree begins with the milestone's, by the hashes of tiles; raises ``PartUnusable``."""

    def perfect(level: int, number: int) -> bytes:
        tile_level, above = divmod(level, TILE_LEVELS)
        first, count = number << above, 1 << above
        tile, offset = divmod(first, TILE_WIDTH)
        width = min(TILE_WIDTH, (whole.size >> (TILE_LEVELS * tile_level)) - tile * TILE_WIDTH)
        content = hashes(tile_level, tile, width)
        return Frontier().extended(split(content)[offset : offset + count]).root

    subtrees = consistency_subtrees(milestone.size, whole.size)
    try:
        verify_consistency(
            old_size=milestone.size,
            old_root=milestone.root,
            size=whole.size,
            root=whole.root,
            path=[subtree_hash(first, end, perfect) for first, end in subtrees],
        )
    except ConsistencyRefused:
        return milestone.fault(0)
    return None
