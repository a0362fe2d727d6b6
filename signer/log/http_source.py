"""A log behind the API of a service."""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol

from signer.answers import ServiceRefusal
from signer.log.source import MAX_BUNDLE_BYTES, MAX_CHECKPOINT_BYTES, PartUnusable, missing
from verifier.log.hashing import HASH_BYTES
from verifier.log.tiles import TILE_WIDTH, Tile

ROUTE = "/v1/log/"
DAMAGED = "log-damaged"
_TILES = "application/octet-stream"
_TEXT = "text/plain"


class Downloads(Protocol):
    """Gets small bodies, as ``signer.client.Client`` does."""

    def download(self, path: str, media_type: str, *, limit: int) -> bytes:
        """A body of at most ``limit`` bytes, in bounded time; raises ``ClientError``."""


class HttpSource:
    """Reads what the service serves at ``/v1/log/``. Raises ``ClientError`` where that does not tell."""

    def __init__(self, client: Downloads) -> None:
        self._client = client

    def checkpoint(self) -> bytes:
        """The newest one that is served."""
        return self._client.download(f"{ROUTE}checkpoint", _TEXT, limit=MAX_CHECKPOINT_BYTES)

    def hashes(self, level: int, number: int, width: int) -> bytes:
        """A tile of hashes."""
        return self._tile(Tile(level=level, number=number, width=width), TILE_WIDTH * HASH_BYTES)

    def entries(self, number: int, width: int) -> bytes:
        """A bundle."""
        return self._tile(Tile(level=None, number=number, width=width), MAX_BUNDLE_BYTES)

    def _tile(self, tile: Tile, limit: int) -> bytes:
        try:
            return self._client.download(f"{ROUTE}{tile.path}", _TILES, limit=limit)
        except ServiceRefusal as error:
            if error.status == HTTPStatus.NOT_FOUND:
                raise missing(tile) from error
            if error.code == DAMAGED:
                raise PartUnusable(path=tile.path, first=tile.leaves.start, problem=error.sentence) from error
            raise
