"""The body of a request, from the parser's chunks to who asks for them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Source(Protocol):
    """The connection that a body comes over."""

    def write(self, *parts: bytes) -> None:
        """To the client."""

    def taken(self, buffered: int) -> None:
        """So many bytes are left here after some were taken."""


class RequestBody:
    """One body; the connection, not this, knows how long to wait for it. For one event loop."""

    __slots__ = ("_chunks", "_done", "_interrupted", "_source", "_waiter", "buffered", "complete", "expects")

    def __init__(self, source: Source, *, expects: bool) -> None:
        """``expects``: whether the client sends nothing of it before it has read 100 (Continue)."""
        self._source = source
        self._chunks: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._done = self._interrupted = False
        self.buffered = 0
        """Bytes that came and were not taken."""
        self.complete = False
        """Whether all of it came."""
        self.expects = expects

    def feed(self, chunk: bytes) -> None:
        """A part of it came."""
        self.expects = False
        self._chunks.append(chunk)
        self.buffered += len(chunk)
        self._wake()

    def end(self) -> None:
        """All of it came."""
        self.complete = True
        self._wake()

    def interrupt(self) -> None:
        """The rest will not come, or not be read: who waits for it is told so."""
        self._interrupted = True
        self._wake()

    async def receive(self) -> dict[str, Any]:
        """ASGI's ``receive``: the next part, or ``http.disconnect``."""
        while not self._interrupted:
            if self._chunks:
                chunk = self._chunks.popleft()
                self.buffered -= len(chunk)
                self._source.taken(self.buffered)
                self._done = self.complete and not self._chunks
                return {"type": "http.request", "body": chunk, "more_body": not self._done}
            if self.complete and not self._done:
                self._done = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await self._wait()
        return {"type": "http.disconnect"}

    async def _wait(self) -> None:
        if self.expects:
            self.expects = False
            self._source.write(CONTINUE)
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
