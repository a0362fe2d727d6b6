"""Many artifacts in one call: their heads go to the service as batches, and each is told of on its own.

1. What is wrong with one spoils no other. What is wrong with all, such as a key that is not there, ends the call.
2. Items that the service had no time for are asked for again like requests, and those that wait for approvals as long
   as there is patience. Everything else is an answer.
3. A head that is too large for an item goes by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hsm.errors import TokenError
from signer.answers import ClientError, ServiceRefusal
from signer.cli.approval_wait import ApprovalWait, is_waiting, told
from signer.cli.output import note
from signer.cli.signing.evidence import Evidence
from signer.cli.signing.one import Document, kept, signed_alone
from signer.cli.signing.order import Job, Order
from signer.cli.signing.source import Head, head_of, opened
from signer.client import BatchItem, Client, Part, Refused, Signature
from signer.client.retries import Attempts, is_transient
from signer.errors import SignerError
from verifier import VerificationError

MAX_ITEMS = 1000
MAX_ITEM_BYTES = 256 << 10
# Of the heads of one batch, which are in memory meanwhile.
MAX_BATCH_BYTES = 8 << 20
TOO_LARGE = "body-too-large"
# What may be wrong with one artifact.
Fault = ClientError | SignerError | VerificationError | TokenError | OSError
FAULTS = (ClientError, SignerError, VerificationError, TokenError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one artifact: a ``document`` for programs, or why it is not signed."""

    job: Job
    document: Document | None = None
    error: Fault | None = None

    @property
    def waits(self) -> bool:
        """Whether people have to approve it, and may still."""
        return isinstance(self.error, ServiceRefusal) and is_waiting(self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    job: Job
    head: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """``refusal``: None before it was asked for."""

    item: _Item
    refusal: ServiceRefusal | None


@dataclass(kw_only=True)
class Signing:
    """Signs many by one order. ``report``: told of each; ``retry_seconds``: for how long items are asked for again."""

    client: Client
    order: Order
    evidence: Evidence
    report: Callable[[Outcome], None]
    retry_seconds: float
    wait: Callable[[float], None] = time.sleep
    _shown: set[str] = field(default_factory=set)

    def __call__(self, jobs: Iterable[Job]) -> None:
        """Raises ``ClientError`` for what concerns all that are left."""
        batch: list[_Item] = []
        held = 0
        for job in jobs:
            item = None if self.order.whole else self._item(job)
            if item is None or len(item.head.content) > MAX_ITEM_BYTES:
                self._alone(job)
                continue
            if len(batch) == MAX_ITEMS or held + len(item.head.content) > MAX_BATCH_BYTES:
                self._batch(batch)
                batch, held = [], 0
            batch.append(item)
            held += len(item.head.content)
        if batch:
            self._batch(batch)

    def _item(self, job: Job) -> _Item | None:
        """None where something is wrong with it, which who signs it alone finds as well."""
        try:
            with opened(job) as source:
                return _Item(job=job, head=head_of(source, replace=self.order.replace))
        except FAULTS:
            return None

    def _alone(self, job: Job) -> None:
        ask = ApprovalWait(patience=self.order.patience, wait=self.wait)
        try:
            document = ask(lambda: signed_alone(self.client, self.order, job, self.evidence))
        except FAULTS as error:
            self.report(Outcome(job=job, error=error))
        else:
            self.report(Outcome(job=job, document=document))

    def _batch(self, items: Sequence[_Item]) -> None:
        waits = [_Waiting(item=item, refusal=None) for item in items]

        def ask() -> None:
            waits[:] = self._round([each.item for each in waits])
            for each in waits:
                self._show(each)
            if waits and waits[0].refusal is not None:
                raise waits[0].refusal

        try:
            ApprovalWait(patience=self.order.patience, wait=self.wait, shows=False)(ask)
        except ServiceRefusal as refusal:
            if not is_waiting(refusal):
                raise
            for each in waits:
                self.report(Outcome(job=each.item.job, error=each.refusal))

    def _round(self, items: list[_Item]) -> list[_Waiting]:
        """Asks until each has an answer; gives those that wait for people."""
        waits: list[_Waiting] = []
        attempts = Attempts(seconds=self.retry_seconds)
        while items:
            again: list[tuple[_Item, ServiceRefusal]] = []
            for item, result in zip(items, self._results(items), strict=True):
                if isinstance(result, Signature):
                    self.report(self._kept(item, result))
                elif is_waiting(result.error):
                    waits.append(_Waiting(item=item, refusal=result.error))
                elif is_transient(result.error):
                    again.append((item, result.error))
                else:
                    self.report(Outcome(job=item.job, error=result.error))
            items = self._after_a_pause(again, attempts)
        return waits

    def _after_a_pause(self, again: list[tuple[_Item, ServiceRefusal]], attempts: Attempts) -> list[_Item]:
        if not again:
            return []
        longest = max((error for _, error in again), key=lambda error: error.retry_after or 0)
        try:
            self.wait(attempts.pause_after(longest))
        except ServiceRefusal:
            for item, error in again:
                self.report(Outcome(job=item.job, error=error))
            return []
        return [item for item, _ in again]

    def _results(self, items: Sequence[_Item]) -> tuple[Signature | Refused, ...]:
        heads = [BatchItem(part=Part.HEAD, content=item.head.content) for item in items]
        try:
            return self.client.sign_batch(self.order.key, heads, self.order.asked)
        except ServiceRefusal as refusal:
            # The service has settings of its own for how large a batch may be.
            if refusal.code != TOO_LARGE or len(items) == 1:
                raise
            half = len(items) // 2
            return (*self._results(items[:half]), *self._results(items[half:]))

    def _kept(self, item: _Item, signature: Signature) -> Outcome:
        try:
            with opened(item.job) as source:
                made = kept(self.order, item.job, source, item.head, signature, self.evidence)
        except FAULTS as error:
            return Outcome(job=item.job, error=error)
        return Outcome(job=item.job, document={"key": self.order.key, **made})

    def _show(self, waiting: _Waiting) -> None:
        if (
            waiting.refusal is not None
            and (text := f"{waiting.item.job.artifact}: {told(waiting.refusal)}") not in self._shown
        ):
            note(text)
            self._shown.add(text)
