"""Tiles and bundles (C2SP tlog-tiles): how a log is laid out for readers, and the one spelling of each path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from verifier.errors import BundleMalformed, TilePathInvalid
from verifier.log.hashing import MAX_SIZE

TILE_WIDTH = 256
"""Hashes in a full tile, and entries in a full bundle."""
TILE_LEVELS = 8
"""Levels of the tree between two levels of tiles."""
MAX_LEVEL = 7
"""Of tiles: the eighth holds more than 2^63 leaves."""
MAX_ENTRY_BYTES = 0xFFFF
_LENGTH_BYTES = 2
_GROUP = 1000
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A tile of hashes, or with ``level`` None a bundle of entries. ``width``: 256 where it is full."""

    level: int | None
    number: int
    width: int = TILE_WIDTH

    @classmethod
    def parse(cls, path: str) -> Tile:
        """From its path below the log's prefix; raises ``TilePathInvalid`` for every other spelling."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise TilePathInvalid(path=path)
        level = None if match[1] == "entries" else int(match[1])
        number = int(match[2].replace("x", "").replace("/", ""))
        tile = cls(level=level, number=number, width=int(match[3] or TILE_WIDTH))
        if tile.path != path or (level or 0) > MAX_LEVEL:
            raise TilePathInvalid(path=path)
        return tile

    @property
    def path(self) -> str:
        """The path below the log's prefix."""
        groups, rest = [f"{self.number % _GROUP:03}"], self.number // _GROUP
        while rest:
            groups.append(f"x{rest % _GROUP:03}")
            rest //= _GROUP
        level = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"

    @property
    def leaves(self) -> range:
        """The leaves that it covers."""
        each = 1 << (TILE_LEVELS * (self.level or 0))
        first = self.number * TILE_WIDTH * each
        return range(first, first + self.width * each)

    def within(self, size: int) -> bool:
        """Whether a log of ``size`` leaves can serve it."""
        return 0 < self.width <= TILE_WIDTH and self.leaves.stop <= min(size, MAX_SIZE)


def packed_bundle(entries: Iterable[bytes]) -> bytes:
    """Entries as they are served: each with its length in two bytes before it; raises ``BundleMalformed``."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise BundleMalformed(problem=f"an entry has more than {MAX_ENTRY_BYTES} bytes")
        parts += (len(entry).to_bytes(_LENGTH_BYTES, "big"), entry)
    return b"".join(parts)


def bundle_entries(bundle: bytes) -> Iterator[bytes]:
    """The entries of a bundle, at most 256; raises ``BundleMalformed``."""
    offset = count = 0
    while offset < len(bundle):
        start = offset + _LENGTH_BYTES
        offset = start + int.from_bytes(bundle[offset:start], "big")
        count += 1
        if start > len(bundle) or offset > len(bundle) or count > TILE_WIDTH:
            raise BundleMalformed(problem="its lengths and its bytes do not agree")
        yield bundle[start:offset]
