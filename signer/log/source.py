"""Where a log is read from. What a source gives is unverified, and bounded in size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from verifier.log.leaves import MAX_LEAF_BYTES
from verifier.log.notes import MAX_NOTE_BYTES
from verifier.log.tiles import TILE_WIDTH, Tile

LENGTH_BYTES = 2
MAX_BUNDLE_BYTES = TILE_WIDTH * (LENGTH_BYTES + MAX_LEAF_BYTES)
"""Of a bundle whose entries are all as long as a leaf can be."""
MAX_CHECKPOINT_BYTES = MAX_NOTE_BYTES


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a log goes: at least as far as its newest checkpoint; what has been added since is not signed yet."""

    size: int
    root: bytes


@dataclass(eq=False, kw_only=True)
class PartUnusable(Exception):
    """What the log has to have at ``path`` is not there, or is not what it can be; ``problem`` says which."""

    path: str
    first: int
    problem: str


class LogSource(Protocol):
    """A log in the layout of C2SP tlog-tiles.

    Each method raises ``PartUnusable`` where the log lacks what it has to have, and ``signer.errors.LogUnreadable``
    where it cannot be looked at. Nothing is longer than the bounds above.
    """

    def checkpoint(self) -> bytes:
        """The newest signed checkpoint."""

    def hashes(self, level: int, number: int, width: int) -> bytes:
        """The first ``width`` hashes of a tile, one after the other."""

    def entries(self, number: int, width: int) -> bytes:
        """The first ``width`` entries of a bundle, each with its length in two bytes before it."""


def missing(tile: Tile) -> PartUnusable:
    """The tile or bundle is not there."""
    return PartUnusable(path=tile.path, first=tile.leaves.start, problem="it is not there")


def too_long(tile: Tile) -> PartUnusable:
    """The tile or bundle goes on and on."""
    return PartUnusable(path=tile.path, first=tile.leaves.start, problem="it is longer than any can be")
