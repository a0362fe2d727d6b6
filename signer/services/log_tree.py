"""Proofs out of the hashes that a log stores: what several proofs share is read once, and kept.

1. The hash of a perfect subtree never changes, so whatever was computed is kept; a tile that has grown since is read
   from where it ended.
2. Nothing here is believed because it was read: whoever gives a proof away compares it with a checkpoint first, and
   has all of this forgotten where they differ.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from signer.errors import LogDamaged
from verifier.log import consistency_subtrees, inclusion_subtrees, node_hash, subtree_hash
from verifier.log.hashing import Subtree
from verifier.log.tiles import TILE_LEVELS, TILE_WIDTH

Path = tuple[bytes, ...]
StoredHashes = Callable[[int, int, int], Sequence[bytes]]
"""``(level of tiles, first, end)``: the hashes that tiles of this level hold."""
# Each with its nodes is some 40 KiB.
KEPT_TILES = 128


class _TileNodes:
    """The hashes of a tile and all that follows from them: the eight levels of the tree over them."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: list[list[bytes]] = [[] for _ in range(TILE_LEVELS + 1)]

    def extend(self, hashes: Iterable[bytes]) -> None:
        rows = self.rows
        for each in hashes:
            row = 0
            rows[0].append(each)
            # An even number of nodes: the last two complete one of the row above.
            while not len(rows[row]) & 1:
                node = node_hash(rows[row][-2], rows[row][-1])
                row += 1
                rows[row].append(node)


class LogTree:
    """The tree over the hashes that a log stores. Safe for threads."""

    def __init__(self, stored_hashes: StoredHashes) -> None:
        self._stored = stored_hashes
        self._tiles: OrderedDict[tuple[int, int], _TileNodes] = OrderedDict()
        self._lock = threading.Lock()

    def inclusion(self, indexes: Iterable[int], size: int) -> list[Path]:
        """For each leaf its path in the tree of ``size``; raises ``LogDamaged`` where hashes are missing."""
        return self._paths([inclusion_subtrees(index, size) for index in indexes], size)

    def consistency(self, old_size: int, size: int) -> Path:
        """The path that shows the tree of ``size`` to begin with that of ``old_size``; raises ``LogDamaged``."""
        (path,) = self._paths([consistency_subtrees(old_size, size)], size)
        return path

    def root(self, size: int) -> bytes:
        """The root of the first ``size`` leaves, of one at least; raises ``LogDamaged``."""
        (path,) = self._paths([((0, size),)], size)
        return path[0]

    def beginning(self, size: int) -> int:
        """Of the leaves of the last tile, the first one whose hash is not kept; at most ``size``."""
        tile = (size - 1) // TILE_WIDTH
        with self._lock:
            nodes = self._tiles.get((0, tile))
        return tile * TILE_WIDTH + (0 if nodes is None else len(nodes.rows[0]))

    def learn(self, first: int, hashes: Sequence[bytes]) -> None:
        """Take hashes of leaves of one tile from whoever has just read those, and made them of their bytes."""
        tile, place = divmod(first, TILE_WIDTH)
        with self._lock:
            nodes = self._kept(0, tile)
            if len(nodes.rows[0]) == place:  # else somebody else was faster
                nodes.extend(hashes)

    def forget(self) -> None:
        """Read everything anew."""
        with self._lock:
            self._tiles.clear()

    def _paths(self, subtrees: Sequence[Sequence[Subtree]], size: int) -> list[Path]:
        def perfect(level: int, number: int) -> bytes:
            return self._node(level, number, size)

        with self._lock:
            shared = {each: subtree_hash(*each, perfect) for each in {one for path in subtrees for one in path}}
        return [tuple(shared[each] for each in path) for path in subtrees]

    def _node(self, level: int, number: int, size: int) -> bytes:
        tile_level, row = divmod(level, TILE_LEVELS)
        tile, place = divmod(number << row, TILE_WIDTH)
        nodes = self._tile(tile_level, tile, place + (1 << row), size)
        return nodes.rows[row][place >> row]

    def _tile(self, level: int, number: int, width: int, size: int) -> _TileNodes:
        """The tile, at least ``width`` wide."""
        nodes = self._kept(level, number)
        if len(nodes.rows[0]) < width:
            self._read(nodes, level, number, size)
        return nodes

    def _kept(self, level: int, number: int) -> _TileNodes:
        nodes = self._tiles.get((level, number))
        if nodes is None:
            nodes = self._tiles[level, number] = _TileNodes()
            if len(self._tiles) > KEPT_TILES:
                self._tiles.popitem(last=False)
        else:
            self._tiles.move_to_end((level, number))
        return nodes

    def _read(self, nodes: _TileNodes, level: int, number: int, size: int) -> None:
        start = number * TILE_WIDTH
        first, end = start + len(nodes.rows[0]), min(start + TILE_WIDTH, size >> (TILE_LEVELS * level))
        found = self._stored(level, first, end)
        if len(found) != end - first:
            raise LogDamaged(index=first << (TILE_LEVELS * level), problem="hashes of the log are not on record")
        nodes.extend(found)
