"""``/v1/log``: the log as its readers know it (C2SP tlog-tiles), and what may be looked up in it.

Every answer may be kept by who asked and by nobody between: it was given to a credential. What cannot change is kept
for ever, partial tiles too: the width is part of their path.
"""

from __future__ import annotations

from signer.application import Application
from signer.domain.identity import Identity
from signer.errors import CredentialsMissing, LogPathInvalid
from signer.services.log_proofs import InclusionProof
from signer.web.front.messages import Answer, Request, json_answer
from signer.web.front.rooms import Rooms
from signer.web.log_documents import (
    ConsistencyDocument,
    EntriesQuery,
    GrowthProofQuery,
    InclusionDocument,
    LeafProofQuery,
    NoQuery,
    SignatureProofQuery,
    consistency_document,
    inclusion_document,
    page_document,
    proof_query,
)
from signer.web.parsing import parsed_query
from verifier.errors import TilePathInvalid
from verifier.log import Tile

NOTE_MEDIA_TYPE = "text/plain; charset=utf-8"
BYTES_MEDIA_TYPE = "application/octet-stream"
FOR_EVER = (("Cache-Control", "private, max-age=31536000, immutable"),)
FOR_SECONDS = (("Cache-Control", "private, max-age=1"),)


class LogHandlers:
    """The routes of the log."""

    def __init__(self, application: Application, *, rooms: Rooms) -> None:
        self._log = application.log
        self._proofs = application.log_proofs
        self._rooms = rooms.requests

    async def checkpoint(self, request: Request) -> Answer:
        """The newest checkpoint, a signed note."""
        parsed_query(NoQuery, request.query)
        note = await self._rooms.run(self._log.checkpoint)
        return Answer(content_type=NOTE_MEDIA_TYPE, body=note, headers=FOR_SECONDS)

    async def keys(self, request: Request) -> Answer:
        """The keys that checkpoints are verified with."""
        parsed_query(NoQuery, request.query)
        return json_answer({"keys": list(await self._rooms.run(self._log.verifier_keys))})

    async def recalled(self, request: Request) -> Answer:
        """All recalled manifests, a signed note."""
        parsed_query(NoQuery, request.query)
        note = await self._rooms.run(self._log.recalled)
        return Answer(content_type=NOTE_MEDIA_TYPE, body=note, headers=FOR_SECONDS)

    async def tile(self, request: Request, path: str) -> Answer:
        """A tile of hashes."""
        tile = _tile(request, path)
        return _immutable(await self._rooms.run(self._log.hashes, tile))

    async def bundle(self, request: Request, path: str) -> Answer:
        """A bundle of entries."""
        tile = _tile(request, f"entries/{path}")
        return _immutable(await self._rooms.run(self._log.bundle, _proved(request), tile))

    async def entries(self, request: Request) -> Answer:
        """Leaves that are looked for, a page at a time."""
        query = parsed_query(EntriesQuery, request.query).query
        page = await self._rooms.run(self._log.entries, _proved(request), query)
        return json_answer(page_document(page))

    async def proof(self, request: Request) -> Answer:
        """That a leaf or a signature is on record, or that the log only grew."""
        query = proof_query(request.query)
        return json_answer(await self._rooms.run(self._proof, _proved(request), query))

    def _proof(
        self, identity: Identity, query: LeafProofQuery | SignatureProofQuery | GrowthProofQuery
    ) -> InclusionDocument | ConsistencyDocument:
        match query:
            case LeafProofQuery():
                return inclusion_document(self._proofs.of_index(query.index, query.size, witnessed=query.witnessed))
            case GrowthProofQuery():
                return consistency_document(self._proofs.of_growth(query.old_size, query.new_size))
            case SignatureProofQuery():
                return inclusion_document(self._of_signature(identity, query))

    def _of_signature(self, identity: Identity, query: SignatureProofQuery) -> InclusionProof:
        return self._proofs.of_manifest(
            identity,
            manifest_sha256=query.manifest_sha256,
            key=query.key,
            version=query.version,
            witnessed=query.witnessed,
        )


def _tile(request: Request, path: str) -> Tile:
    parsed_query(NoQuery, request.query)
    try:
        return Tile.parse(f"tile/{path}")
    except TilePathInvalid:
        raise LogPathInvalid from None


def _immutable(content: bytes) -> Answer:
    return Answer(content_type=BYTES_MEDIA_TYPE, body=content, headers=FOR_EVER)


def _proved(request: Request) -> Identity:
    if request.identity is None:
        raise CredentialsMissing
    return request.identity
