"""The hashes of a log from its tiles, as far as proofs need them. Nothing in them is believed before a proof is."""

from __future__ import annotations

from signer.log.source import LogSource
from verifier.log import consistency_subtrees, node_hash, subtree_hash
from verifier.log.hashing import HASH_BYTES
from verifier.log.tiles import TILE_LEVELS, TILE_WIDTH

KEPT_TILES = 64


class TileTree:
    """The tree of ``size`` leaves over the tiles of a source."""

    def __init__(self, source: LogSource, size: int) -> None:
        self._source = source
        self._size = size
        self._tiles: dict[tuple[int, int], bytes] = {}

    def consistency(self, old_size: int, size: int) -> tuple[bytes, ...]:
        """The path that shall prove that the log of ``size``, at most that of this tree, begins with ``old_size``."""
        return tuple(subtree_hash(first, end, self.perfect) for first, end in consistency_subtrees(old_size, size))

    def perfect(self, level: int, number: int) -> bytes:
        """The hash over the leaves ``[number · 2^level, (number + 1) · 2^level)``."""
        tile_level, height = divmod(level, TILE_LEVELS)
        first = number << height
        tile, offset = divmod(first, TILE_WIDTH)
        content = self._tile(tile_level, tile)
        hashes = [_hash(content, offset + n) for n in range(1 << height)]
        while len(hashes) > 1:
            hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
        return hashes[0]

    def leaf_hashes(self, number: int, width: int) -> bytes:
        """The first hashes of a tile of leaf hashes."""
        return self._tile(0, number)[: width * HASH_BYTES]

    def _tile(self, level: int, number: int) -> bytes:
        place = level, number
        if place not in self._tiles:
            if len(self._tiles) >= KEPT_TILES:
                del self._tiles[next(iter(self._tiles))]
            whole = self._size >> (TILE_LEVELS * level)
            width = min(TILE_WIDTH, whole - number * TILE_WIDTH)
            self._tiles[place] = self._source.hashes(level, number, width)
        return self._tiles[place]


def _hash(tile: bytes, place: int) -> bytes:
    # A tile that is too short gives hashes that prove nothing, and is refused where the proof is.
    return tile[place * HASH_BYTES : (place + 1) * HASH_BYTES]
