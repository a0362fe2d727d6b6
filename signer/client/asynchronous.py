"""The same client for an event loop of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Self, TypeVar

import httpx

from signer.answers import ClientError, SignedBy, SmallBody, signing_key
from signer.client import calls
from signer.client.calls import Asked, BatchItem, Call
from signer.client.connection import Connection, is_success, refused, require_media_type, translated
from signer.client.retries import Attempts, Told, untold
from signer.client.settings import ClientSettings
from signer.client.sync import UPLOAD_CHUNK_BYTES
from signer.client.values import Key, Refused, Session, Signature

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncIncomingArtifact:
    """A signed artifact on its way: ``chunks`` can be read once; ``by``: the version that made the signature."""

    by: SignedBy
    chunks: AsyncIterator[bytes]


class AsyncClient:
    """``Client`` with methods that are awaited. Use as an async context manager."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        told: Told = untold,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        connection = Connection.of(settings)
        self._retry_seconds = settings.retry_seconds
        self._told = told
        self._wait = wait
        self._failed_hint = connection.failed_hint
        with translated():
            self._http = httpx.AsyncClient(
                base_url=connection.url,
                trust_env=connection.trust_env,
                headers=connection.headers,
                verify=connection.context,
                timeout=connection.timeout,
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._http.aclose()

    async def sign(self, key: str, content: bytes, asked: Asked = Asked()) -> Signature:  # noqa: B008  (frozen)
        """The signature of a manifest, or of the artifact whose head ``content`` is."""
        return await self._made(calls.sign(key, content, asked))

    async def sign_batch(
        self,
        key: str,
        items: Sequence[BatchItem],
        asked: Asked = Asked(),  # noqa: B008  (frozen)
    ) -> tuple[Signature | Refused, ...]:
        """An answer for each of up to 1000 items, in order."""
        return await self._made(calls.sign_batch(key, items, asked))

    @asynccontextmanager
    async def sign_artifact(
        self,
        key: str,
        artifact: BinaryIO,
        size: int,
        asked: Asked = Asked(),  # noqa: B008  (frozen)
    ) -> AsyncIterator[AsyncIncomingArtifact]:
        """The signed artifact, to be read inside the context. ``artifact``: seekable, ``size`` bytes from its start on.

        It is sent again as long as no answer has begun.
        """
        async with AsyncExitStack() as held:
            response = await self._begun(calls.sign_artifact(key, size, asked), artifact, held)
            yield AsyncIncomingArtifact(by=signing_key(response.headers), chunks=response.aiter_bytes())

    async def keys(self) -> tuple[Key, ...]:
        """All keys that the caller may know of."""
        return await self._made(calls.keys())

    async def key(self, name: str) -> Key:
        """One key."""
        return await self._made(calls.key(name))

    async def public_key(self, key: str, version: int) -> bytes:
        """The public key of a version, PEM."""
        return await self._made(calls.public_key(key, version))

    async def proof(self, key: str, version: int, manifest_sha256: str, *, witnessed: bool = False) -> bytes:
        """The proof file that a signature of this manifest is on record; ``witnessed``: where witnesses signed too."""
        return await self._made(calls.proof(key, version, manifest_sha256, witnessed=witnessed))

    async def consistency(self, old_size: int, size: int) -> tuple[bytes, ...]:
        """The path that shall prove that the log of ``size`` leaves begins with that of ``old_size``."""
        return await self._made(calls.consistency(old_size, size))

    async def checkpoint(self) -> bytes:
        """The newest checkpoint of the log, a signed note that is not verified."""
        return await self._made(calls.checkpoint())

    async def log_keys(self) -> tuple[str, ...]:
        """The keys that the service says its checkpoints are verified with."""
        return await self._made(calls.log_keys())

    async def exchange_ci_token(self, token: str, nonce: str) -> Session:
        """A session for the token of a CI job; ``nonce``: 32 random bytes as text, the same in all tries."""
        return await self._made(calls.exchange_ci_token(token, nonce))

    async def _made(self, call: Call[Result]) -> Result:
        """Its value, after as many tries as it takes."""
        attempts = self._attempts()
        while True:
            try:
                async with self._sent(call, call.content) as response:
                    return call.read(await _collected(response))
            except ClientError as error:
                await self._wait(attempts.pause_after(error))

    async def _begun(self, call: Call[bytes], artifact: BinaryIO, held: AsyncExitStack) -> httpx.Response:
        attempts = self._attempts()
        while True:
            await asyncio.to_thread(artifact.seek, 0)
            try:
                return await held.enter_async_context(self._sent(call, _read(artifact)))
            except ClientError as error:
                await self._wait(attempts.pause_after(error))

    def _attempts(self) -> Attempts:
        return Attempts(seconds=self._retry_seconds, told=self._told)

    @asynccontextmanager
    async def _sent(self, call: Call[Any], content: Any) -> AsyncIterator[httpx.Response]:
        """A success of the call's media type, its body unread; everything else is raised."""
        given = {"params": dict(call.parameters), "headers": dict(call.headers), "content": content}
        with translated(self._failed_hint):
            async with self._http.stream(call.method, call.path, **given) as response:
                if not is_success(response):
                    raise refused(response, await _collected(response))
                require_media_type(response, call.expected)
                yield response


async def _collected(response: httpx.Response) -> bytes:
    content = SmallBody()
    async for chunk in response.aiter_bytes():
        content.take(chunk)
    return bytes(content)


async def _read(artifact: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(artifact.read, UPLOAD_CHUNK_BYTES):
        yield chunk
