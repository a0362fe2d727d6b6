"""HTTP for a witness: one request on each connection, and hard bounds on everything.

1. A request has one total time from the accepted connection to the last byte of its answer, TLS included.
2. At the bound of connections, the one that has waited longest for its request makes room.
3. Heads and bodies are bounded; what comes after a request is not read.
4. Where nothing can be stored, the server ends: ``run`` raises the ``OSError``.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from dataclasses import dataclass

import h11

from signer.errors import WitnessBodyTooLarge
from signer.witness.application import Answer, Application, refusal
from signer.witness.decisions import MAX_BODY_BYTES

logger = logging.getLogger("artifact-signer.witness")

MAX_HEAD_BYTES = 16 * 1024
READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """``connections``: open at once; ``seconds``: for one, from its first to its last byte."""

    connections: int = 64
    seconds: float = 10.0


class WitnessServer:
    """Serves on a listening socket until it is told to stop."""

    def __init__(
        self, *, application: Application, listener: socket.socket, tls: ssl.SSLContext | None, bounds: Bounds
    ) -> None:
        self._application = application
        self._listener = listener
        self._tls = tls
        self._bounds = bounds
        # In the order in which they came.
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._failed: asyncio.Future[None] | None = None
        listener.setblocking(False)

    async def run(self) -> None:
        """Serve until this is cancelled; raises ``OSError`` where a checkpoint cannot be stored."""
        loop = asyncio.get_running_loop()
        self._failed = loop.create_future()
        accepting = loop.create_task(self._accept())
        try:
            await asyncio.wait([accepting, self._failed], return_when=asyncio.FIRST_COMPLETED)
            for ended in (accepting, self._failed):
                if ended.done():
                    ended.result()
        finally:
            accepting.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(accepting, *self._tasks, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            if len(self._tasks) >= self._bounds.connections:
                oldest = next(iter(self._tasks))
                oldest.cancel()
                del self._tasks[oldest]
            task = loop.create_task(self._serve(connection))
            self._tasks[task] = None
            task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def _serve(self, connection: socket.socket) -> None:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(self._bounds.seconds):
                reader, writer = await _streams(connection, self._tls)
                await self._converse(reader, writer)
        except (OSError, TimeoutError):
            pass  # it went away, or did not keep to its time: there is nobody to tell
        finally:
            if writer is None:
                connection.close()
            else:
                writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        try:
            answer = await self._answered(conversation, reader, writer)
        except h11.RemoteProtocolError as error:
            text = b"malformed-http: what came is not proper HTTP/1.1\n"
            answer = Answer(status=error.error_status_hint, body=text)
        except WitnessBodyTooLarge as error:
            answer = refusal(error)
        if conversation.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            writer.write(_bytes(conversation, answer))
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        writer.close()
        await writer.wait_closed()

    async def _answered(
        self, conversation: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Answer:
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = conversation.next_event()
            if event is h11.NEED_DATA:
                if conversation.they_are_waiting_for_100_continue:
                    writer.write(conversation.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                conversation.receive_data(await reader.read(READ_BYTES))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY_BYTES:
                    raise WitnessBodyTooLarge(limit=MAX_BODY_BYTES)
            elif request is None:
                raise ConnectionResetError  # it came and went without a word
            else:
                return self._stored(request, bytes(body))

    def _stored(self, request: h11.Request, body: bytes) -> Answer:
        try:
            answer = self._application.answer(
                request.method.decode("ascii"), request.target.decode("ascii", "replace"), body
            )
        except OSError as error:
            if self._failed is not None and not self._failed.done():
                self._failed.set_exception(error)
            raise
        logger.info(
            "%s %s %d", request.method.decode("ascii"), request.target.decode("ascii", "replace"), answer.status
        )
        return answer


async def _streams(
    connection: socket.socket, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Streams over an accepted connection, after its TLS handshake where there is one."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=READ_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _bytes(conversation: h11.Connection, answer: Answer) -> bytes:
    headers = [
        ("Content-Type", answer.media_type),
        ("Content-Length", str(len(answer.body))),
        ("Cache-Control", "no-store"),
        ("Connection", "close"),
    ]
    parts = [
        conversation.send(h11.Response(status_code=answer.status, headers=headers)),
        conversation.send(h11.Data(data=answer.body)),
        conversation.send(h11.EndOfMessage()),
    ]
    return b"".join(part or b"" for part in parts)
