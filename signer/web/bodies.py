"""Request bodies, streamed with a bound, a deadline between chunks, and an honest end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, BinaryIO

from signer.application import BodyLimit
from signer.errors import BodyInterrupted, BodyTooLarge

CHUNK_BYTES = 1 << 18


class RequestBody:
    """The body of one request, to be read once.

    A body that ends early, or a client silent for longer than ``read_timeout`` seconds, is ``BodyInterrupted``.
    """

    def __init__(self, environ: dict[str, Any], *, read_timeout: float) -> None:
        self._input: BinaryIO = environ["wsgi.input"]
        self._length = int(environ["CONTENT_LENGTH"]) if environ.get("CONTENT_LENGTH") else None
        connection = environ.get("gunicorn.socket")
        if isinstance(connection, socket.socket):
            connection.settimeout(read_timeout)
        self.read_to_end = False
        """Whether nothing is left on the connection but the next request."""

    def chunks(self, limit: BodyLimit) -> Iterator[bytes]:
        """The bytes in chunks; raises ``BodyTooLarge``, at once and before anything is read where it is declared."""
        if self._length is not None and self._length > limit.octets:
            raise BodyTooLarge(limit=limit.octets, setting=limit.setting)
        return self._chunks(limit)

    def _chunks(self, limit: BodyLimit) -> Iterator[bytes]:
        received = 0
        while chunk := self._read(received):
            received += len(chunk)
            if received > limit.octets:
                raise BodyTooLarge(limit=limit.octets, setting=limit.setting)
            yield chunk
        if self._length is not None and received < self._length:
            raise BodyInterrupted(received=received, expected=self._length)
        self.read_to_end = True

    def whole(self, limit: BodyLimit) -> bytes:
        """All bytes of a small body."""
        return b"".join(self.chunks(limit))

    def _read(self, received: int) -> bytes:
        try:
            return self._input.read(CHUNK_BYTES)
        except Exception as error:
            # The server's parser raises its own classes for a broken or unfinished body; all mean the same here.
            raise BodyInterrupted(received=received, expected=self._length) from error
