"""A log in the database of this machine, as a source."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Protocol

from signer.domain.log_rows import CheckpointRow, LeafRow, LogFacts, TileRow, ToldFloors
from signer.log.faults import FaultKind
from signer.log.milestones import Milestone
from signer.log.source import Extent, PartUnusable, missing, too_long
from verifier.errors import LogError
from verifier.log.checkpoints import open_checkpoint
from verifier.log.leaves import MAX_LEAF_BYTES
from verifier.log.notes import VerifierKey
from verifier.log.tiles import TILE_WIDTH, Tile, packed_bundle
from verifier.wording import explain


class LogRows(Protocol):
    """The rows of a log, unverified."""

    def facts(self) -> LogFacts:
        """The single rows and counts, all of one moment."""

    def rows(self, first: int, end: int) -> list[LeafRow | None]:
        """The leaves ``[first, end)``; None where one is missing."""

    def tiles(self) -> Iterator[TileRow]:
        """All full tiles, by level and number."""

    def tile(self, level: int, number: int) -> TileRow | None:
        """One full tile."""

    def roots(self, level: int, first: int, end: int) -> list[bytes]:
        """The roots of full tiles ``[first, end)`` of a level, in order, as far as they are there."""

    def checkpoints(self) -> Iterator[CheckpointRow]:
        """All checkpoints, by size."""

    def told_floors(self, end: int) -> ToldFloors:
        """How far versions have come, as the leaves ``[0, end)`` say, which were found to be right."""


class DatabaseSource:
    """Leaves and hashes as they are stored, none of them computed anew."""

    def __init__(self, rows: LogRows, checkpoint: bytes | None) -> None:
        """``checkpoint``: the newest signed one, wherever it is kept."""
        self._rows = rows
        self._checkpoint = checkpoint
        self.facts = rows.facts()

    def checkpoint(self) -> bytes:
        """The one that was given."""
        if self._checkpoint is None:
            raise PartUnusable(path="checkpoint", first=0, problem="it is not there")
        return self._checkpoint

    def extent(self) -> Extent:
        """As the head has it."""
        return Extent(self.facts.size, self.facts.root)

    def hashes(self, level: int, number: int, width: int) -> bytes:
        """Of full tiles what is stored as such, of others the hashes of leaves or the roots of tiles below."""
        first = number * TILE_WIDTH
        if width == TILE_WIDTH:
            tile = self._rows.tile(level, number)
            if tile is None:
                raise missing(Tile(level=level, number=number))
            return tile.hashes
        if level:
            return b"".join(self._rows.roots(level - 1, first, first + width))
        return b"".join(row.hash for row in self.rows(number, width))

    def entries(self, number: int, width: int) -> bytes:
        """Leaves."""
        return packed_bundle(row.leaf for row in self.rows(number, width))

    def rows(self, number: int, width: int) -> Sequence[LeafRow]:
        """Leaves with what stands beside them."""
        first = number * TILE_WIDTH
        found: list[LeafRow] = []
        for index, row in enumerate(self._rows.rows(first, first + width), first):
            if row is None:
                raise PartUnusable(path=f"leaf {index}", first=index, problem="it is not there")
            if len(row.leaf) > MAX_LEAF_BYTES:
                raise too_long(Tile(level=None, number=number, width=width))
            found.append(row)
        return found

    def passed(self, keys: Sequence[VerifierKey]) -> Iterator[Milestone]:
        """Every checkpoint that was ever written, and what machines noted, by size. ``keys``: all that signed any."""
        machines = [Milestone(each.size, each.root, FaultKind.MACHINE, each.machine) for each in self.facts.machines]
        checkpoints = (_milestone(row, keys) for row in self._rows.checkpoints() if row.size <= self.facts.size)
        return heapq.merge(machines, checkpoints, key=lambda each: each.size)


def _milestone(row: CheckpointRow, keys: Sequence[VerifierKey]) -> Milestone:
    try:
        checkpoint = open_checkpoint(row.note, keys).checkpoint
    except LogError as error:
        return Milestone(row.size, b"", FaultKind.CHECKPOINT_ROW, problem=explain(error).sentence)
    problem = "" if checkpoint.size == row.size else f"it is of size {checkpoint.size}"
    return Milestone(row.size, checkpoint.root, FaultKind.CHECKPOINT_ROW, problem=problem)
