"""Many signatures at once for a calling thread: one exchange with each token's process, verified as they come.

1. A signature leaves only after the pinned public key verified it. That happens while the process signs the next ones.
2. The messages to all tokens are sent before the first answer is waited for, so that several tokens sign together.
   Channels are borrowed in the order of configuration: two callers cannot wait for each other.
3. An item that one token failed goes to another one, or waits for a token that is about to be back, by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hsm.errors import TokenError
from hsm.parent.client import Exchange, TokenClient
from hsm.parent.jobs import Job, unfinished
from hsm.parent.routing import Ask, Wait
from hsm.parent.signature_check import SignatureCheck
from hsm.protocol.messages import MAX_FRAME
from hsm.protocol.signing import ITEM_OVERHEAD, MAX_ITEMS, MAX_KEYS, Item, pack_batch

MAX_BODY = MAX_FRAME - 1024  # leaves room for the heads of message and batch


class Parcel:
    """Jobs for one message to one token: as many as its bounds allow. ``until``: the first deadline among them."""

    def __init__(self, client: TokenClient) -> None:
        self.client = client
        self.jobs: list[Job] = []
        self.until = float("inf")
        self._keys: dict[bytes, int] = {}
        self._items: list[Item] = []
        self._size = 0

    def add(self, job: Job, until: float) -> bool:
        """Whether ``job`` fits. One that this token cannot do is told so, and takes no room."""
        try:
            kind, payload = job.payload(self.client)
        except TokenError as error:
            job.failed(self.client, error)
            return True
        key = self._keys.get(job.packed)
        size = self._size + ITEM_OVERHEAD + len(payload) + (len(job.packed) if key is None else 0)
        if len(self.jobs) == MAX_ITEMS or (self.jobs and size > MAX_BODY):
            return False
        if key is None:
            key = len(self._keys)
            if key == MAX_KEYS:
                return False
            self._keys[job.packed] = key
        self._items.append((key, kind, payload))
        self._size = size
        self.until = min(self.until, until)
        self.jobs.append(job)
        return True

    def body(self) -> bytes:
        """The message."""
        return pack_batch(tuple(self._keys), self._items)


class BatchRunner:
    """Brings jobs to their ends. Thread-safe. ``clients``: in the order of configuration."""

    def __init__(self, clients: Sequence[TokenClient], check: SignatureCheck) -> None:
        self._order = {client.config.name: position for position, client in enumerate(clients)}
        self._check = check

    def run(self, jobs: Sequence[Job]) -> None:
        """Returns when each of ``jobs`` has its outcome, at the latest at its deadline."""
        while waiting := unfinished(jobs):
            parcels, waits = self._sorted_out(waiting)
            if parcels:
                self._exchanged(parcels)
            elif waits:
                _waited(waits)

    def _sorted_out(self, jobs: Sequence[Job]) -> tuple[list[Parcel], list[tuple[Job, Wait]]]:
        parcels: dict[str, Parcel] = {}
        waits = []
        for job in jobs:
            match job.route.step():
                case Ask(client, until):
                    parcel = parcels.get(client.config.name)
                    if parcel is None:
                        parcel = parcels[client.config.name] = Parcel(client)
                    parcel.add(job, until)  # what does not fit is asked for next time
                case Wait() as wait:
                    waits.append((job, wait))
                case TokenError() as error:
                    job.outcome = error
        ordered = sorted(parcels.values(), key=lambda parcel: self._order[parcel.client.config.name])
        return [parcel for parcel in ordered if parcel.jobs], waits

    def _exchanged(self, parcels: list[Parcel]) -> None:
        begun: list[tuple[Parcel, Exchange]] = []
        try:
            for parcel in parcels:
                try:
                    exchange = parcel.client.begin(parcel.body(), len(parcel.jobs), deadline=parcel.until)
                except TokenError as error:
                    _all_failed(parcel, error)
                else:
                    begun.append((parcel, exchange))
            for parcel, exchange in begun:
                self._answered(parcel, exchange)
        finally:
            for _, exchange in begun:
                exchange.close()

    def _answered(self, parcel: Parcel, exchange: Exchange) -> None:
        try:
            for number, outcome in exchange.answers():
                parcel.jobs[number].settle(parcel.client, outcome, self._check)
        except TokenError as error:
            _all_failed(parcel, error, left=exchange.unanswered)


def _waited(waits: Sequence[tuple[Job, Wait]]) -> None:
    """All that is left waits for tokens to come back: for one of them now, and then all go on that waited for it."""
    _, first = min(waits, key=lambda item: item[1].until)
    ready = first.client.status.wait_ready(first.until, keep_waiting=False)
    for job, wait in waits:
        if wait.client is first.client:
            job.route.waited(ready=ready)


def _all_failed(parcel: Parcel, error: TokenError, *, left: frozenset[int] | None = None) -> None:
    """The exchange failed; ``left``: numbers of the jobs without an answer, None: all."""
    for number, job in enumerate(parcel.jobs):
        if left is None or number in left:
            job.failed(parcel.client, replace(error))
