"""One request over HTTP to somebody who may be slow, lying, or huge: hard bounds on everything, and no second try.

1. The time is a total: from looking up the name to the last byte of the answer.
2. Heads and bodies are bounded. Redirects are answers like any other: nobody is asked whom nobody named.
3. Plain HTTP is for this machine alone. Proxies of the environment are not used.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import h11

from signer.addresses import Address

MAX_HEAD_BYTES = 16 * 1024
READ_BYTES = 64 * 1024


class ExchangeFailed(Exception):
    """There is no answer; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Status, media type without parameters, and body of an answer."""

    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``seconds``: for all of an exchange; ``body_bytes``: of an answer."""

    seconds: float = 10.0
    body_bytes: int = 512 * 1024


async def exchange(
    address: Address,
    method: str,
    path: str,
    body: bytes,
    *,
    tls: ssl.SSLContext,
    limits: Limits,
    headers: Sequence[tuple[str, str]] = (),
) -> Answered:
    """Ask once; raises ``ExchangeFailed``. ``path``: below the address, with a slash before it."""
    try:
        async with asyncio.timeout(limits.seconds):
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=tls if address.scheme == "https" else None
            )
            try:
                return await _asked(address, method, path, body, headers, reader, writer, limits)
            finally:
                writer.transport.abort()
    except TimeoutError:
        raise ExchangeFailed(f"no answer within {limits.seconds:g} seconds") from None
    except (OSError, EOFError) as error:
        raise ExchangeFailed(getattr(error, "strerror", None) or type(error).__name__) from None
    except h11.RemoteProtocolError:
        raise ExchangeFailed("what answers does not speak HTTP/1.1") from None


async def _asked(
    address: Address,
    method: str,
    path: str,
    body: bytes,
    headers: Sequence[tuple[str, str]],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    limits: Limits,
) -> Answered:
    conversation = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
    own = [("Host", address.authority), ("Content-Length", str(len(body))), ("Connection", "close")]
    request = h11.Request(method=method, target=address.prefix + path, headers=[*own, *headers])
    for event in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(conversation.send(event) or b"")
    # What is sent is not waited for: an answer that comes early is an answer.
    return await _answer(conversation, reader, limits)


async def _answer(conversation: h11.Connection, reader: asyncio.StreamReader, limits: Limits) -> Answered:
    head: h11.Response | None = None
    body = bytearray()
    while True:
        event = conversation.next_event()
        if event is h11.NEED_DATA:
            conversation.receive_data(await reader.read(READ_BYTES))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > limits.body_bytes:
                raise ExchangeFailed(f"the answer has more than {limits.body_bytes} bytes")
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return Answered(status=head.status_code, media_type=_media_type(head), body=bytes(body))
        elif not isinstance(event, h11.InformationalResponse):
            raise ExchangeFailed("what answers does not speak HTTP/1.1")


def _media_type(head: h11.Response) -> str:
    found = next((value for name, value in head.headers if name == b"content-type"), b"")
    return found.partition(b";")[0].strip().lower().decode("ascii", "replace")
