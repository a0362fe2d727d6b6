"""Asks a pool's tokens from an event loop that lives as long as the question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from hsm import AsyncSigner, PinnedKey, SignRequest, TokenError, TokenPool
from tests.hsm.judging import verify

TIMEOUT = 20.0


@asynccontextmanager
async def signing(pool: TokenPool) -> AsyncIterator[AsyncSigner]:
    """A signer on the running loop."""
    signer = AsyncSigner(pool)
    signer.start(asyncio.get_running_loop())
    try:
        yield signer
    finally:
        signer.close()


async def outcomes_of(
    signer: AsyncSigner, key: PinnedKey, count: int, *, timeout: float = TIMEOUT
) -> list[bytes | TokenError]:
    """So many requests at once; each message is its number."""
    asked = (signer.sign(key, b"%d" % number, timeout=timeout) for number in range(count))
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(item, bytes | TokenError) for item in found), found
    return [item for item in found if isinstance(item, bytes | TokenError)]


def many(
    pool: TokenPool, key: PinnedKey, count: int, *, timeout: float = TIMEOUT, amid: Callable[[], object] | None = None
) -> list[bytes | TokenError]:
    """What became of so many requests at once. ``amid``: called while they are under way."""

    async def ask() -> list[bytes | TokenError]:
        async with signing(pool) as signer:
            outcomes = asyncio.ensure_future(outcomes_of(signer, key, count, timeout=timeout))
            if amid is not None:
                await asyncio.sleep(0.02)
                amid()
            found = await outcomes
            assert [client.loop_load for client in pool.clients] == [0] * len(pool.clients)
            return found

    return asyncio.run(ask())


def once(pool: TokenPool, ask: Callable[[AsyncSigner], Coroutine[Any, Any, bytes]]) -> bytes:
    """One request on a loop of its own."""

    async def asked() -> bytes:
        async with signing(pool) as signer:
            return await ask(signer)

    return asyncio.run(asked())


def all_verify(key: PinnedKey, outcomes: list[bytes | TokenError]) -> None:
    """Each is the signature over its own number."""
    for number, outcome in enumerate(outcomes):
        verify(SignRequest(key, b"%d" % number), outcome)
