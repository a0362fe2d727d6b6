"""Batches of signatures, worked on in slices, so that single requests go between.

1. A slice is one call of ``ArtifactSigning.sign_many``: decided, signed and recorded by itself, in a transaction
   of its own. What ends between two slices, a client or the service, leaves the one that is done.
2. A slice has at most ``MOST`` items, and no more than the token is expected to sign in ``TOKEN_SECONDS``, by what it
   took before with this key.
3. At most ``AT_ONCE`` slices of a worker are under way, whose turn comes in the order of asking: while one is recorded
   the token has another one.
4. Where a slice ended with nothing but failures of the service, the others are not tried: each would take as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from signer.domain.requests import SigningRequest
from signer.errors import ServiceBusy
from signer.services.artifact_signing import ArtifactSigning
from signer.services.readiness import FAULTS
from signer.services.signing_calls import Result, SigningCall

MOST = 64
TOKEN_SECONDS = 1.0
FIRST = 16
AT_ONCE = 2
# How many times as many items a slice may have as the one before it.
GROWTH = 4


class Pace:
    """How many items of a key fit into a slice, by how long those before took. For keys that exist, so bounded."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}

    def size(self, key: str) -> int:
        """The most items that the next slice may have."""
        return self._sizes.get(key, FIRST)

    def took(self, key: str, items: int, seconds: float) -> None:
        """A slice of this many items was done in this time."""
        fitting = int(items * TOKEN_SECONDS / seconds) if seconds > 0 else MOST
        self._sizes[key] = max(1, min(MOST, fitting, GROWTH * max(items, self.size(key))))


class BatchSigning:
    """Signs what was checked, many at a time. For one event loop."""

    def __init__(self, *, signing: ArtifactSigning, monotonic: Callable[[], float]) -> None:
        self._signing = signing
        self._monotonic = monotonic
        self._pace = Pace()
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def slices(
        self, key: str, requests: Sequence[SigningRequest], call: Callable[[SigningRequest], SigningCall]
    ) -> AsyncIterator[list[Result]]:
        """The outcomes of the requests in order, slice by slice, each as ``ArtifactSigning.sign_many`` gives it."""
        at = 0
        while at < len(requests):
            async with self._turns:
                part = requests[at : at + self._pace.size(key)]
                begun = self._monotonic()
                outcomes = await self._signing.sign_many([call(request) for request in part])
                # What was on record already, or refused, says nothing of the token.
                self._pace.took(key, len(part), self._monotonic() - begun)
            yield outcomes
            at += len(part)
            if all(isinstance(outcome, (*FAULTS, ServiceBusy)) for outcome in outcomes):
                for start in range(at, len(requests), MOST):
                    yield [outcomes[-1]] * len(requests[start : start + MOST])
                return
