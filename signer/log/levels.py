"""The tiles of a growing log, computed from its leaves alone: at most 255 hashes for each level are held."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence

from verifier.log.hashing import EMPTY_ROOT, HASH_BYTES, Frontier
from verifier.log.tiles import MAX_LEVEL, TILE_WIDTH, Tile

FULL_TILE_BYTES = TILE_WIDTH * HASH_BYTES


class Levels:
    """A log of so many *full* bundles: the tiles that they have begun, the level of leaves left out."""

    def __init__(self, bundles: int = 0, begun: Sequence[bytes] = ()) -> None:
        """``begun``: the hashes of the begun tile of each level above the leaves; raises ``ValueError``."""
        self.bundles = bundles
        self._begun = [bytearray(hashes) for hashes in begun] or [bytearray()]
        expected = [len(hashes) for _, hashes in self._computed(bundles)]
        if [len(hashes) for hashes in self._begun] != expected:
            raise ValueError("the hashes of begun tiles are not those of so many leaves")

    @staticmethod
    def _computed(bundles: int) -> Iterator[tuple[int, range]]:
        level, rest = 1, bundles
        while level == 1 or rest:
            yield level, range(rest % TILE_WIDTH * HASH_BYTES)
            level, rest = level + 1, rest // TILE_WIDTH

    def add(self, root: bytes) -> Iterator[tuple[Tile, bytes]]:
        """The next full bundle, by the root of its tile; the full tiles above that it ends, with their hashes."""
        self.bundles += 1
        level = 1
        while True:
            if level > len(self._begun):
                self._begun.append(bytearray())
            hashes = self._begun[level - 1]
            hashes += root
            if len(hashes) < FULL_TILE_BYTES:
                return
            full = bytes(hashes)
            hashes.clear()
            yield Tile(level=level, number=(self.bundles >> (8 * level)) - 1), full
            root, level = tile_root(full), level + 1
            if level > MAX_LEVEL:
                raise OverflowError("no log has so many leaves")

    def partial(self) -> Iterator[tuple[Tile, bytes]]:
        """The tiles above the leaves that are begun, with their hashes."""
        for level, hashes in enumerate(self._begun, 1):
            if hashes:
                width = len(hashes) // HASH_BYTES
                yield Tile(level=level, number=self.bundles >> (8 * level), width=width), bytes(hashes)

    def frontier(self, leaf_hashes: bytes = b"") -> Frontier:
        """Of the tree of all full bundles, and after them fewer than 256 leaves."""
        parts = [*reversed(self._begun), leaf_hashes]
        hashes = [each for part in parts for each in Frontier().extended(split(bytes(part))).hashes]
        return Frontier(self.bundles * TILE_WIDTH + len(leaf_hashes) // HASH_BYTES, tuple(hashes))

    def saved(self) -> list[str]:
        """What the next time needs of it."""
        return [base64.b64encode(hashes).decode("ascii") for hashes in self._begun]


def split(hashes: bytes) -> list[bytes]:
    """One by one."""
    return [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]


def tile_root(hashes: bytes) -> bytes:
    """The hash over a tile."""
    return Frontier().extended(split(hashes)).root if hashes else EMPTY_ROOT
