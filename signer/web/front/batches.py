"""``/v1/keys/{key}/signatures/batch``: many manifests and heads come in, an answer for each goes out.

The body is read whole before anything is signed: what is no batch signs nothing. Then its items are signed slice by
slice (``BatchSigning``), and the proofs of one slice are made while the next is signed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from signer.application import Application
from signer.artifacts import Form
from signer.domain.requests import ManifestSeen, Signature, SigningRequest
from signer.errors import SignerError
from signer.services.log_answers import LogAnswers
from signer.services.log_proofs import InclusionProof
from signer.services.signing_calls import Result
from signer.web.batch_documents import refused_item, signed_item
from signer.web.batch_reader import BatchItem, BatchReader, Part, Read
from signer.web.documents import encoded
from signer.web.front.batch_room import BatchRoom
from signer.web.front.messages import JSON_MEDIA_TYPE, Answer, Request
from signer.web.front.metrics import Metrics
from signer.web.front.rooms import Rooms
from signer.web.front.signing import LOOP_BYTES, STEP_BYTES
from signer.web.front.signing_orders import authorised, replaces
from signer.web.refusals import refused
from verifier import Manifest, VerificationError

logger = logging.getLogger("artifact-signer.request")

# How many items are read in one step off the loop: heads, at a fraction of a millisecond each.
ITEMS_PER_STEP = 16


@dataclass(slots=True)
class _Order:
    """A batch on its way: ``answers`` has the JSON of each item's answer, None until it is there."""

    request: Request
    key: str
    answers: list[bytes | None]
    refused: Counter[str]


class BatchHandlers:
    """The route."""

    def __init__(self, application: Application, *, rooms: Rooms, metrics: Metrics) -> None:
        self._application = application
        self._rooms = rooms
        self._metrics = metrics
        self._room = BatchRoom(application.limits.batch)
        # Apart from those of single signatures: these do not wait for the proofs of a slice.
        self._log = LogAnswers(application.log_proofs)

    async def sign(self, request: Request, key: str) -> Answer:
        """Body: ``{"requests": […]}``. Answer: ``{"results": […]}``, one for each, in order."""
        call = await authorised(self._application, request, key)
        replace = replaces(request)
        with self._room.taken(request.body.length):
            items = deque(await self._read(request))
            order = _Order(request, key, [None] * len(items), Counter())
            numbers, seen = await self._seen(order, items, replace=replace)
            at = 0
            async with asyncio.TaskGroup() as answering:
                request.deadline.begin_anew()
                async for outcomes in self._application.batch_signing.slices(key, seen, call):
                    end = at + len(outcomes)
                    answering.create_task(self._answer(order, numbers[at:end], seen[at:end], outcomes))
                    at = end
                    request.deadline.begin_anew()
            self._tell(order)
            parts = [answer for answer in order.answers if answer is not None]
            return Answer(content_type=JSON_MEDIA_TYPE, body=b'{"results":[' + b",".join(parts) + b"]}\n")

    async def _read(self, request: Request) -> list[Read]:
        reader, gathered, size, step = BatchReader(), [], 0, LOOP_BYTES
        async for chunk in request.body.chunks(self._application.limits.batch):
            gathered.append(chunk)
            size += len(chunk)
            if size > step:
                await self._rooms.uploads.run(reader.feed, b"".join(gathered))
                gathered, size, step = [], 0, STEP_BYTES
        rest = b"".join(gathered)
        if len(rest) > LOOP_BYTES:
            await self._rooms.uploads.run(reader.feed, rest)
        else:
            with self._metrics.parsing:
                reader.feed(rest)
        return reader.finish()

    async def _seen(
        self, order: _Order, items: deque[Read], *, replace: bool
    ) -> tuple[list[int], list[SigningRequest]]:
        """What was read of the items that can be signed, with their places; the others are answered."""
        numbers: list[int] = []
        seen: list[SigningRequest] = []
        while items:
            first = len(order.answers) - len(items)
            # Taken out: what they were read from is not needed any more.
            part = [items.popleft() for _ in range(min(len(items), ITEMS_PER_STEP))]
            for number, each in enumerate(await self._checked(part, replace=replace), first):
                if isinstance(each, Exception):
                    order.answers[number] = _refusal(order, each)
                else:
                    numbers.append(number)
                    seen.append(each)
        return numbers, seen

    async def _checked(self, part: Sequence[Read], *, replace: bool) -> list[SigningRequest | Exception]:
        if sum(len(each.unverified_content) for each in part if isinstance(each, BatchItem)) > LOOP_BYTES:
            return await self._rooms.uploads.run(self._requests, part, replace)
        with self._metrics.parsing:
            return self._requests(part, replace)

    def _requests(self, part: Sequence[Read], replace: bool) -> list[SigningRequest | Exception]:
        return [self._request(each, replace=replace) for each in part]

    def _request(self, item: Read, *, replace: bool) -> SigningRequest | Exception:
        if isinstance(item, SignerError):
            return item
        try:
            if item.part is Part.MANIFEST:
                limits = self._application.limits.verifier
                return ManifestSeen(manifest=Manifest.parse(item.unverified_content, limits=limits))
            upload = self._application.upload_reader(form=Form.HEAD, replace=replace)
            upload.feed(item.unverified_content)
            return upload.finish()
        except (SignerError, VerificationError) as error:
            return error

    async def _answer(
        self, order: _Order, numbers: Sequence[int], seen: Sequence[SigningRequest], outcomes: Sequence[Result]
    ) -> None:
        """The answers of one slice, with the proofs of what was signed."""
        signed = [outcome for outcome in outcomes if isinstance(outcome, Signature)]
        proved = iter(await self._log.proofs([each.index for each in signed]))
        for number, request, outcome in zip(numbers, seen, outcomes, strict=True):
            if not isinstance(outcome, Signature):
                order.answers[number] = _refusal(order, outcome)
                continue
            proof = next(proved)
            if isinstance(proof, InclusionProof):
                order.answers[number] = encoded(signed_item(outcome, request, proof.text)).rstrip()
                self._metrics.signed(order.key, request, emergency=outcome.emergency)
            else:
                order.answers[number] = _refusal(order, proof)

    def _tell(self, order: _Order) -> None:
        """One line for what the line of the request does not show."""
        for code, number in order.refused.items():
            self._metrics.item_refused(code, number)
        if order.refused:
            logger.warning(
                "%d of %d items of a batch were refused: %s",
                order.refused.total(),
                len(order.answers),
                ", ".join(f"{number} {code}" for code, number in sorted(order.refused.items())),
                extra={"request_id": order.request.request_id},
            )


def _refusal(order: _Order, error: Exception) -> bytes:
    request = order.request
    refusal = refused(error, method=request.method, path=request.path, request_id=request.request_id)
    order.refused[refusal.problem.code] += 1
    return encoded(refused_item(refusal.problem, request.request_id)).rstrip()
