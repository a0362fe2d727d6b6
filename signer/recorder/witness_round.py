"""One witness is asked for its signature: from the size that it is believed to hold, or from the one that it names.

What it holds beyond the checkpoint is looked at, and believed only where the log's own key signed it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from signer.addresses import Address
from signer.errors import LogRolledBack, WitnessAnswerInvalid, WitnessDisagrees, WitnessRefused, WitnessUnreachable
from signer.http_exchange import Answered, ExchangeFailed, Limits, exchange
from signer.witness.asking import (
    ADD_CHECKPOINT,
    Cosigned,
    held_checkpoint,
    meaning_of,
    monitoring_path,
    request_body,
)
from verifier.log import Checkpoint, NoteSignature, SignedNote, VerifierKey

PROOF_WRONG = 422
# Another machine of the same log may have been faster, more than once.
ATTEMPTS = 3


class CommittedLog(Protocol):
    """The log as the database holds it. May block; called in threads beside the loop."""

    def size(self) -> int:
        """Of the committed head, looked at now."""

    def root(self, size: int) -> bytes:
        """Of the first ``size`` leaves."""

    def consistency(self, old_size: int, size: int) -> Sequence[bytes]:
        """The path that proves that the log of ``size`` begins with that of ``old_size``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedWitness:
    """A witness: how it is called here, where it is, and the key that its signatures verify with."""

    name: str
    address: Address
    key: VerifierKey
    ca_file: Path | None = None


@dataclass(slots=True, kw_only=True)
class Asking:
    """All that is known of one witness. ``held``: the size that it is believed to hold."""

    witness: AskedWitness
    log: CommittedLog
    log_keys: Callable[[], Sequence[VerifierKey]]
    limits: Limits
    held: int = 0
    _tls: ssl.SSLContext | None = field(init=False, default=None)

    async def signature(self, raw_checkpoint: bytes) -> NoteSignature | None:
        """The witness's line for this checkpoint of ours; None where it holds a later one of ours already.

        Raises ``LogRolledBack`` where what it holds proves that, and an error of ``signer.errors.witnessing``.
        """
        text = SignedNote.parse(raw_checkpoint).text
        checkpoint = Checkpoint.parse(text)
        for _ in range(ATTEMPTS):
            if self.held > checkpoint.size:
                await self._look(checkpoint.origin)
                if self.held <= checkpoint.size:
                    raise self._unbelievable("it says that it holds more than it shows")
                return None
            path = await asyncio.to_thread(self.log.consistency, self.held, checkpoint.size)
            body = request_body(raw_checkpoint, old_size=self.held, path=path)
            answer = await self._exchange("POST", ADD_CHECKPOINT, body)
            try:
                meaning = meaning_of(answer, text=text, witness=self.witness.name, key=self.witness.key)
            except WitnessRefused as refused:
                await self._explain(refused, checkpoint.origin)
                raise
            if isinstance(meaning, Cosigned):
                self.held = checkpoint.size
                return meaning.line
            self.held = meaning.size
        raise self._unbelievable("it refuses each size that it says it holds")

    async def _look(self, origin: str) -> None:
        """See what it holds beyond what it was asked for: it may know a log that was taken back."""
        answer = await self._exchange("GET", monitoring_path(origin), b"")
        self.held = 0  # only what is believed below is remembered
        log_keys = await asyncio.to_thread(self.log_keys)
        held = held_checkpoint(answer, witness=self.witness.name, log_keys=log_keys)
        # Looked at after the answer: another machine may have committed and shown it meanwhile.
        committed = await asyncio.to_thread(self.log.size)
        if held.size > committed:
            raise LogRolledBack(verified=held.size, found=committed)
        if held.root != await asyncio.to_thread(self.log.root, held.size):
            raise WitnessDisagrees(witness=self.witness.name, size=held.size)
        self.held = held.size

    async def _explain(self, refused: WitnessRefused, origin: str) -> None:
        """Raise what is behind a refusal of the proof, where what it holds tells that."""
        if refused.status != PROOF_WRONG:
            return
        try:
            await self._look(origin)
        except (WitnessRefused, WitnessUnreachable, WitnessAnswerInvalid):
            return

    async def _exchange(self, method: str, path: str, body: bytes) -> Answered:
        name = self.witness.name
        try:
            self._tls = self._tls or ssl.create_default_context(cafile=self.witness.ca_file)
        except OSError as error:  # an SSLError among them
            raise WitnessUnreachable(witness=name, reason=f"its ca_file cannot be used: {error.strerror}") from None
        try:
            return await exchange(self.witness.address, method, path, body, tls=self._tls, limits=self.limits)
        except ExchangeFailed as error:
            raise WitnessUnreachable(witness=name, reason=str(error)) from None

    def _unbelievable(self, problem: str) -> WitnessAnswerInvalid:
        self.held = 0
        return WitnessAnswerInvalid(witness=self.witness.name, problem=problem)
