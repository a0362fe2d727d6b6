"""Proofs for the answers of one event loop: who waits at the same time is served together.

One call at a time makes proofs, in a thread; whoever comes meanwhile is the next call. What their proofs share is read
once, however many they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from signer.errors import LogBeyondCheckpoint, LogNotCertified
from signer.services.log_proofs import InclusionProof, LogProofService


class LogAnswers:
    """For one event loop."""

    def __init__(self, proofs: LogProofService) -> None:
        self._proofs = proofs
        self._waiting: dict[int, asyncio.Future[InclusionProof]] = {}
        self._working: asyncio.Task[None] | None = None

    async def proof(self, index: int) -> InclusionProof:
        """The proof of a leaf that was recorded for an answer; raises ``LogNotCertified``, or what the log raises."""
        (proof,) = await self.proofs([index])
        if isinstance(proof, Exception):
            raise proof
        return proof

    async def proofs(self, indexes: Sequence[int]) -> list[InclusionProof | Exception]:
        """The proofs of many, in order, or for each what ``proof`` would raise."""
        futures = [self._asked(index) for index in indexes]
        if self._waiting and self._working is None:
            self._working = asyncio.create_task(self._work())
        return [await _outcome(future) for future in futures]

    def _asked(self, index: int) -> asyncio.Future[InclusionProof]:
        future = self._waiting.get(index)
        if future is None:
            future = self._waiting[index] = asyncio.get_running_loop().create_future()
        return future

    async def _work(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, {}
                await self._serve(waiting)
        finally:
            self._working = None

    async def _serve(self, waiting: dict[int, asyncio.Future[InclusionProof]]) -> None:
        try:
            proofs = await asyncio.to_thread(self._proofs.of_leaves, list(waiting))
        except LogBeyondCheckpoint as error:
            for index, future in waiting.items():
                if index >= error.size:
                    _fail(future, LogNotCertified(index=index))
            covered = {index: future for index, future in waiting.items() if index < error.size}
            if covered:
                await self._serve(covered)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is what each of them waited for)
            for future in waiting.values():
                _fail(future, error)
        else:
            for future, proof in zip(waiting.values(), proofs, strict=True):
                if not future.done():
                    future.set_result(proof)


async def _outcome(future: asyncio.Future[InclusionProof]) -> InclusionProof | Exception:
    try:
        # Whoever stops waiting does not stop it for the others.
        return await asyncio.shield(future)
    except Exception as error:  # noqa: BLE001  (an outcome: a cancellation is none, and passes)
        return error


def _fail(future: asyncio.Future[InclusionProof], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # told, where nobody waits any more
