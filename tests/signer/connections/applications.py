"""Small ASGI applications for the tests of connections."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any

from signer.web.environ import PEER_CERTIFICATE


async def answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def hello(_scope: Any, _receive: Any, send: Any) -> None:
    """Answers, and reads no body."""
    await answer(send, 200, b"hello")


async def unauthorised(_scope: Any, _receive: Any, send: Any) -> None:
    """Refuses, and reads no body."""
    await answer(send, 401, b"who are you?")


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body, or says that it was cut off."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            await answer(send, 400, b"interrupted after %d" % len(body))
            return
        body += message["body"]
        if not message["more_body"]:
            break
    await answer(send, 200, body)


async def path(scope: Any, receive: Any, send: Any) -> None:
    """Answers with method, raw path and body."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await answer(send, 200, scope["method"].encode() + b" " + scope["raw_path"] + b" " + body)


async def certificate(scope: Any, _receive: Any, send: Any) -> None:
    """Answers with the client's certificate."""
    await answer(send, 200, scope.get(PEER_CERTIFICATE) or b"none")


async def page(_scope: Any, _receive: Any, send: Any) -> None:
    """Answers with what fits into one buffer of the transport, and is done."""
    await answer(send, 200, bytes(60_000))


async def flood(_scope: Any, _receive: Any, send: Any) -> None:
    """Answers with more than any buffer holds."""
    size, part = 256 << 20, bytes(1 << 18)
    headers = [(b"content-length", b"%d" % size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(size // len(part)):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Gate:
    """Answers when it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.waiting = 0

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.waiting += 1
        await self.opened.wait()
        await answer(send, 200, b"at last")


class Diligent:
    """Says that it goes on, and how it ends: by itself after some seconds, or broken off."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begun = threading.Event()
        self.ends: queue.Queue[str] = queue.Queue()

    async def __call__(self, _scope: Any, _receive: Any, _send: Any) -> None:
        self.begun.set()
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.ends.put("broken off")
            raise
        self.ends.put("done")


class Lasting:
    """Reads the body and sends all that it announced, and is done only when it may go on."""

    def __init__(self) -> None:
        self.go_on = asyncio.Semaphore(0)

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"told", "more_body": True})
        await self.go_on.acquire()
        await send({"type": "http.response.body", "body": b""})
