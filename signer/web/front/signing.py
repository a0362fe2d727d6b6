"""``/v1/keys/{key}/signatures``, ``/artifacts`` and ``/heads``: what is to be signed comes in, a signature goes out.

Small bodies are read on the loop; the rest, and every disk, is worked on in steps off it while the next bytes come.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import BinaryIO

from signer.application import Application
from signer.artifacts import Form, UploadReader
from signer.domain.requests import Signature, SigningRequest
from signer.services.log_answers import LogAnswers
from signer.spool import SpooledFile
from signer.web.dialect_documents import head_document
from signer.web.documents import signature_document
from signer.web.front.messages import Answer, Request, json_answer
from signer.web.front.metrics import Metrics
from signer.web.front.negotiation import wants_text
from signer.web.front.rooms import Rooms
from signer.web.front.signing_orders import authorised, replaces
from signer.web.log_documents import recorded_members

ARTIFACT_MEDIA_TYPE = "application/vnd.mender-artifact"
TEXT_MEDIA_TYPE = "text/plain; charset=us-ascii"
# What costs less to read on the loop than the way to a thread and back, even where it was made to be slow.
LOOP_BYTES = 32 << 10
# How much is worked on in one step off the loop.
STEP_BYTES = 256 << 10
CREATED = 201


class SigningHandlers:
    """The routes of one artifact each."""

    def __init__(self, application: Application, *, rooms: Rooms, metrics: Metrics) -> None:
        self._application = application
        self._rooms = rooms
        self._metrics = metrics
        self._log = LogAnswers(application.log_proofs)

    async def sign(self, request: Request, key: str) -> Answer:
        """Body: a manifest, the head of an artifact, or a whole artifact. Answer: JSON, or manifest.sig as text."""
        call = await authorised(self._application, request, key)
        upload = self._application.upload_reader(form=Form.ANY, replace=replaces(request))
        seen = await self._read(request, upload)
        signature = await self._application.artifact_signing.sign(call(seen))
        self._metrics.signed(key, seen, emergency=signature.emergency)
        if wants_text(request.header(b"accept")):
            return Answer(content_type=TEXT_MEDIA_TYPE, body=signature.encoded, headers=_about(signature))
        record = recorded_members(await self._log.proof(signature.index))
        return json_answer(signature_document(signature, seen, record))

    async def register_head(self, request: Request, key: str) -> Answer:
        """Body: as for ``sign``, but a manifest alone. Answer: until when a digest may name it."""
        call = await authorised(self._application, request, key)
        upload = self._application.upload_reader(form=Form.ANY, replace=replaces(request))
        seen = await self._read(request, upload)
        identity = call(seen).identity
        until = await self._application.digests.heads.register(identity, key, seen, request_id=request.request_id)
        return json_answer(head_document(key, seen, until), CREATED)

    async def sign_artifact(self, request: Request, key: str) -> Answer:
        """Body: a whole artifact. Answer: the signed artifact."""
        call = await authorised(self._application, request, key)
        upload = self._application.upload_reader(form=Form.ARTIFACT, replace=replaces(request))
        chunks = request.body.chunks(self._application.limits.artifact)
        file = await self._rooms.uploads.run(self._application.spool.open, request.body.length)
        try:
            seen = await self._spooled(chunks, upload, file)
            signature = await self._application.artifact_signing.sign(call(seen))
            content = await self._rooms.uploads.run(file.finish)
            self._metrics.signed(key, seen, emergency=signature.emergency)
        except BaseException:
            # In a thread: giving back gigabytes takes a disk its time.
            self._rooms.uploads.submit(file.close)
            raise
        return Answer(
            content_type=ARTIFACT_MEDIA_TYPE,
            headers=_about(signature),
            length=upload.splice.size(upload.received, signature.encoded),
            stream=self._joined(upload, content, signature),
        )

    async def _read(self, request: Request, upload: UploadReader) -> SigningRequest:
        if request.body.length is None or request.body.length > LOOP_BYTES:
            return await self._read_by_steps(request, upload)
        body = await request.body.whole(self._application.limits.artifact)
        with self._metrics.parsing:
            return _finished(upload, body)

    async def _read_by_steps(self, request: Request, upload: UploadReader) -> SigningRequest:
        gathered, size, step, off_loop = [], 0, LOOP_BYTES, False
        async for chunk in request.body.chunks(self._application.limits.artifact):
            gathered.append(chunk)
            size += len(chunk)
            if size > step:
                await self._rooms.uploads.run(upload.feed, b"".join(gathered))
                gathered, size, step, off_loop = [], 0, STEP_BYTES, True
        if off_loop:
            return await self._rooms.uploads.run(_finished, upload, b"".join(gathered))
        with self._metrics.parsing:
            return _finished(upload, b"".join(gathered))

    async def _spooled(self, chunks: AsyncIterator[bytes], upload: UploadReader, file: SpooledFile) -> SigningRequest:
        gathered, size = [], 0
        async for chunk in chunks:
            gathered.append(chunk)
            size += len(chunk)
            if size > STEP_BYTES:
                await self._rooms.uploads.run(_keep, upload, file, b"".join(gathered))
                gathered, size = [], 0
        await self._rooms.uploads.run(_keep, upload, file, b"".join(gathered))
        return await self._rooms.uploads.run(upload.finish)

    async def _joined(self, upload: UploadReader, content: BinaryIO, signature: Signature) -> AsyncIterator[bytes]:
        chunks = upload.splice.join(content, signature.encoded)
        try:
            while chunk := await self._rooms.uploads.run(next, chunks, b""):
                yield chunk
        finally:
            self._rooms.uploads.submit(content.close)


def _finished(upload: UploadReader, rest: bytes) -> SigningRequest:
    if rest:
        upload.feed(rest)
    return upload.finish()


def _keep(upload: UploadReader, file: SpooledFile, data: bytes) -> None:
    if data:
        upload.feed(data)
        file.write(data)


def _about(signature: Signature) -> tuple[tuple[str, str], ...]:
    return (
        ("X-Signing-Key-Version", str(signature.version)),
        ("X-Signing-Key-Fingerprint", signature.fingerprint),
        ("X-Signing-Log-Index", str(signature.index)),
    )
