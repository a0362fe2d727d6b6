"""One request and its answer, between the connection and an ASGI application.

1. An answer says its length, and is that long: what is more is not sent, and after less the connection ends.
2. A head holds the lines that were given, and no other: a value that would begin a line of its own is refused.
3. A status before the body was asked for tells the client not to send it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, MutableMapping
from email.utils import formatdate
from functools import cache
from typing import Any, Protocol

from signer.web.connections.bodies import RequestBody, Source
from signer.web.connections.heads import Head
from signer.web.connections.refusals import SERVER_NAME, reason

BODILESS = frozenset({204, 304})
NO_CONTENT = 204
# From here on a body is handed over beside its head, not copied behind it.
LARGE_BYTES = 64 << 10


class Line(Source, Protocol):
    """The connection that an exchange is on."""

    @property
    def closed(self) -> bool:
        """Whether nothing more is sent."""

    @property
    def staying(self) -> bool:
        """Whether another request may come after this one."""

    @property
    def untaken(self) -> asyncio.Future[None] | None:
        """What ends when the client has taken enough of what was written; None: it has."""


class Exchange:
    """A request that is served, and what of its answer has been sent. For one event loop."""

    __slots__ = ("_closes", "_head", "_left", "_line", "_pending", "body", "ended", "scope", "started")

    def __init__(self, line: Line, head: Head) -> None:
        self._line = line
        self._head = head
        self._pending = b""
        self._left = 0
        self._closes = False
        self.scope = head.scope
        self.body = RequestBody(line, expects=head.expects)
        self.started = self.ended = False
        """Whether something, and whether all of the answer was sent."""

    @property
    def keeps(self) -> bool:
        """Whether another request may follow: all was read, all was answered, and nobody asked for an end."""
        return self.ended and not self._closes and not self._left and self._line.staying

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """ASGI's ``send``: the start of an answer, or a part of its body; waits for a client that is slow with it."""
        if self._line.closed:
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], message["headers"])
            return
        self._add(message.get("body", b""), more=message.get("more_body", False))
        untaken = self._line.untaken
        if untaken is not None:
            await untaken

    def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        if self.started:
            raise RuntimeError("an answer begins once")
        length, parts, lines = None, [_status_line(status)], 4
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
                if status == NO_CONTENT:  # RFC 9110 section 8.6
                    continue
            parts += (name, b": ", value, b"\r\n")
            lines += 1
        if length is None:
            raise RuntimeError("an answer says its length")
        closes = self._head.ends or not self.body.complete or not self._line.staying
        parts += (b"Connection: close\r\n", _date()) if closes else (_date(),)
        parts.append(b"\r\n")
        pending = b"".join(parts)
        if not pending.count(b"\n") == pending.count(b"\r") == lines + closes:
            raise RuntimeError("a header field has more than one line")
        self.started, self._closes, self._pending = True, closes, pending
        self.body.expects = False
        self._left = 0 if status in BODILESS or self._head.method == "HEAD" else length

    def _add(self, body: bytes, *, more: bool) -> None:
        if not self.started or self.ended:
            raise RuntimeError("a body stands between the start of an answer and its end")
        part = body if len(body) <= self._left else body[: self._left]
        self._left -= len(part)
        self.ended = not more
        head, self._pending = self._pending, b""
        if len(part) >= LARGE_BYTES:
            self._line.write(head, part)
        elif head or part:
            self._line.write(head + part)


@cache
def _status_line(status: int) -> bytes:
    """With the name of the server, which follows it in every answer."""
    return f"HTTP/1.1 {status} {reason(status)}\r\nServer: {SERVER_NAME}\r\n".encode("ascii")


class _Clock:
    """The field ``Date`` of this second."""

    second = 0
    field = b""


def _date() -> bytes:
    now = int(time.time())
    if now != _Clock.second:
        _Clock.second, _Clock.field = now, f"Date: {formatdate(now, usegmt=True)}\r\n".encode("ascii")
    return _Clock.field
