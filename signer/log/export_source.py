"""A log in a folder, in the layout of C2SP tlog-tiles."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from signer.errors import LogUnreadable
from signer.log.source import MAX_BUNDLE_BYTES, MAX_CHECKPOINT_BYTES, PartUnusable, missing, too_long
from verifier.errors import BundleMalformed
from verifier.log.hashing import HASH_BYTES
from verifier.log.tiles import TILE_WIDTH, Tile, bundle_entries, packed_bundle

CHECKPOINT = "checkpoint"
KEYS = "log.vkey"


class ExportSource:
    """Reads what ``log export`` writes, or what another program wrote in this layout."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def checkpoint(self) -> bytes:
        """The file ``checkpoint``."""
        content = self._read(CHECKPOINT, MAX_CHECKPOINT_BYTES)
        if content is None:
            raise PartUnusable(path=CHECKPOINT, first=0, problem="it is not there")
        if len(content) > MAX_CHECKPOINT_BYTES:
            raise PartUnusable(path=CHECKPOINT, first=0, problem="it is longer than any can be")
        return content

    def hashes(self, level: int, number: int, width: int) -> bytes:
        """A tile of hashes, or the beginning of the full one."""
        return self._tile(Tile(level=level, number=number, width=width), TILE_WIDTH * HASH_BYTES, _first_hashes)

    def entries(self, number: int, width: int) -> bytes:
        """A bundle, or the beginning of the full one."""
        return self._tile(Tile(level=None, number=number, width=width), MAX_BUNDLE_BYTES, _first_entries)

    def _tile(self, tile: Tile, limit: int, first: Callable[[bytes, int], bytes]) -> bytes:
        content = self._read(tile.path, limit)
        if content is None and tile.width < TILE_WIDTH:
            # Once the full one exists a partial one may vanish (C2SP tlog-tiles).
            content = self._read(Tile(level=tile.level, number=tile.number).path, limit)
            try:
                content = None if content is None else first(content, tile.width)
            except BundleMalformed as error:
                raise PartUnusable(path=tile.path, first=tile.leaves.start, problem=error.problem) from error
        if content is None:
            raise missing(tile)
        if len(content) > limit:
            raise too_long(tile)
        return content

    def _read(self, name: str, limit: int) -> bytes | None:
        """At most one byte more than the limit; None where there is no such file."""
        path = self._folder / name
        try:
            # A pipe in the place of a file would be waited for.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                return file.read(limit + 1) or b""
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LogUnreadable(source=str(path), reason=(error.strerror or "it cannot be read").lower()) from error


def _first_hashes(content: bytes, width: int) -> bytes:
    return content[: width * HASH_BYTES]


def _first_entries(content: bytes, width: int) -> bytes:
    return packed_bundle(list(bundle_entries(content))[:width])
