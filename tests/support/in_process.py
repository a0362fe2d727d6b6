"""What a worker has beside it, in the test's own process: a recorder without a process, and tokens for a loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from hsm import SignRequest, TokenError
from signer.bootstrap import Parts
from signer.domain.identity import Identity
from signer.domain.records import Outcome
from signer.domain.refusals import RefusedCall
from signer.domain.token_records import Entry
from signer.errors import CredentialsRejected, SignerError
from signer.services.ports import TokenAccess
from signer.storage.database import Database
from signer.storage.signature_records import SqlSignatureRecords

Result = TypeVar("Result")
WAIT_SECONDS = 60.0


class DirectRecorder:
    """Commits in a thread of the worker's own, each call for itself."""

    def __init__(self, records: SqlSignatureRecords) -> None:
        self._records = records
        self.refused: list[RefusedCall] = []

    async def record_many(self, entries: Sequence[Entry], *, deadline: float) -> list[Outcome | SignerError]:
        """As the port."""
        try:
            return list(await asyncio.to_thread(self._records.record_many, entries))
        except SignerError as error:
            return [error] * len(entries)

    def refuse(self, call: RefusedCall) -> None:
        """As the port; for tests to look at."""
        self.refused.append(call)

    def close(self) -> None:
        """Nothing is held."""


class ThreadedSigner:
    """The tokens, each signature in a thread."""

    def __init__(self, tokens: TokenAccess) -> None:
        self._tokens = tokens

    async def sign_each(self, requests: Sequence[SignRequest], *, timeout: float) -> list[bytes | TokenError]:
        """As the port."""
        return await asyncio.gather(*(asyncio.to_thread(self._sign, request, timeout) for request in requests))

    def ask_each(
        self,
        requests: Sequence[SignRequest],
        *,
        timeout: float,
        wanted: Callable[[int], bool],
        settled: Callable[[int, bytes | Exception], None],
    ) -> None:
        """As the port."""
        for number, request in enumerate(requests):
            signed = asyncio.ensure_future(asyncio.to_thread(self._sign, request, timeout))
            signed.add_done_callback(lambda done, number=number: settled(number, done.exception() or done.result()))

    def _sign(self, request: SignRequest, timeout: float) -> bytes | TokenError:
        try:
            sign = self._tokens.sign_digest if request.prehashed else self._tokens.sign
            return sign(request.key, request.message, tokens=request.tokens, timeout=timeout)
        except TokenError as error:
            return error


class KnownIdentities:
    """Everybody is who they say, but those that a test took away; ``doubted`` was proved before access changed."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.doubted: set[str] = set()
        self.forgotten = 0

    def confirm(self, identity: Identity) -> None:
        """As the port."""
        if identity.name in self.revoked:
            raise CredentialsRejected

    def proved(self, identity: Identity) -> bool:
        """As the port."""
        return identity.name not in self.doubted

    def forget(self) -> None:
        """As the port."""
        self.forgotten += 1


def in_process(parts: Parts, database: Database) -> Parts:
    """The parts of a worker that needs no other process."""
    records = SqlSignatureRecords(database=database, clock=parts.clock, clock_tolerance=timedelta(seconds=5))
    return replace(
        parts,
        recorder=DirectRecorder(records),
        token_signer=ThreadedSigner(parts.tokens),
        identities=KnownIdentities(),
    )


class LoopThread:
    """An event loop in a thread, started when it is first needed."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """The result of the coroutine, on the loop."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
                self._thread.start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_SECONDS)

    def close(self) -> None:
        """End the loop."""
        if self._loop is None or self._thread is None:
            return
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_SECONDS)
        self._loop.close()
