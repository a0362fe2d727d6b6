"""The Merkle tree of RFC 6962 section 2.1 (the same in RFC 9162 section 2.1): hashes, frontier, proofs.

1. Leaves and nodes are hashed under different prefixes, so that no node passes for a leaf.
2. A tree of ``n`` leaves splits at the largest power of two below ``n``; nothing is padded or repeated.
3. A path of another length than its sizes demand is refused: without that, a shortened path can pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from verifier.errors import ConsistencyRefused, InclusionRefused

HASH_BYTES = 32
MAX_PATH = 63
"""Hashes in a proof: as many as C2SP tlog-witness allows on the wire; a tree of 2^63 leaves needs no more."""
MAX_SIZE = (1 << 63) - 1
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbouring subtrees."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Frontier:
    """All that an appender needs of a tree: its perfect subtrees, the largest first, one per set bit of ``size``."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE or len(self.hashes) != self.size.bit_count():
            raise ValueError("a frontier has one hash for each set bit of its size")

    def extended(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """The tree with these leaves appended."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaf_hashes:
            merged = leaf
            # Each trailing one of the old size is a perfect subtree that the new leaf completes.
            remaining = size
            while remaining & 1:
                merged = node_hash(hashes.pop(), merged)
                remaining >>= 1
            hashes.append(merged)
            size += 1
        return Frontier(size, tuple(hashes))

    @cached_property
    def root(self) -> bytes:
        """The hash of the whole tree; an appender asks for it again and again."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def verify_inclusion(*, index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> None:
    """Raises ``InclusionRefused`` unless ``leaf`` (a leaf hash) stands at ``index`` in the tree of ``root``."""
    if not 0 <= index < size <= MAX_SIZE or len(path) > MAX_PATH:
        raise InclusionRefused(index=index, size=size)
    place, last, computed = index, size - 1, leaf
    for neighbour in path:
        if last == 0:
            raise InclusionRefused(index=index, size=size)
        if place & 1 or place == last:
            computed = node_hash(neighbour, computed)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            computed = node_hash(computed, neighbour)
        place, last = place >> 1, last >> 1
    if last != 0 or computed != root:
        raise InclusionRefused(index=index, size=size)


def verify_consistency(*, old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Raises ``ConsistencyRefused`` unless the tree of ``root`` begins with the tree of ``old_root``."""
    refused = ConsistencyRefused(old_size=old_size, size=size)
    if not 0 <= old_size <= size <= MAX_SIZE or len(path) > MAX_PATH:
        raise refused
    if old_size in (0, size):
        expected = EMPTY_ROOT if old_size == 0 else root
        if path or old_root != expected:
            raise refused
        return
    if not _consistent(old_size, old_root, size, root, path):
        raise refused


def _consistent(old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    # RFC 9162 section 2.1.4.2. A whole power of two is its own first node, and is left out of the path.
    hashes: Sequence[bytes] = [old_root, *path] if old_size & (old_size - 1) == 0 else path
    if not path or not hashes:
        return False
    place, last = old_size - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = hashes[0]
    for neighbour in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(neighbour, old), node_hash(neighbour, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, neighbour)
        place, last = place >> 1, last >> 1
    return last == 0 and old == old_root and new == root


Subtree = tuple[int, int]
"""The leaves ``[first, end)`` of a subtree that a proof holds the hash of."""


def inclusion_subtrees(index: int, size: int) -> tuple[Subtree, ...]:
    """Which subtrees' hashes prove leaf ``index`` in a tree of ``size``, the leaf's sibling first."""
    if not 0 <= index < size:
        raise ValueError("the leaf lies outside the tree")
    # On each level the neighbour, cut off where the tree ends; beyond that end there is none.
    neighbours = ((((index >> level) ^ 1) << level, 1 << level) for level in range((size - 1).bit_length()))
    return tuple((first, min(first + width, size)) for first, width in neighbours if first < size)


def consistency_subtrees(old_size: int, size: int) -> tuple[Subtree, ...]:
    """Which subtrees' hashes prove that a tree of ``size`` begins with that of ``old_size``; none for 0 or equal."""
    if not 0 <= old_size <= size:
        raise ValueError("the older tree is larger")
    if old_size in (0, size):
        return ()
    return tuple(_consistency(old_size, 0, size, whole=True))


def subtree_hash(first: int, end: int, perfect: Callable[[int, int], bytes]) -> bytes:
    """The hash over leaves ``[first, end)``; ``perfect(level, n)`` gives that over ``[n·2^level, (n+1)·2^level)``."""
    size = end - first
    level = size.bit_length() - 1
    if size == 1 << level and first % size == 0:
        return perfect(level, first >> level)
    middle = first + _split(size)
    return node_hash(subtree_hash(first, middle, perfect), subtree_hash(middle, end, perfect))


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def _consistency(old_size: int, first: int, end: int, *, whole: bool) -> Iterator[Subtree]:
    if old_size == end:
        if not whole:
            yield first, end
        return
    middle = first + _split(end - first)
    if old_size <= middle:
        yield from _consistency(old_size, first, middle, whole=whole)
        yield middle, end
    else:
        yield from _consistency(old_size, middle, end, whole=False)
        yield first, middle
