"""Keyfactor SignServer's workers, as their clients speak it: each key is a worker, and signs digests."""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from signer.application import Application
from signer.domain.dialects import DIGEST_BYTES, SIGNSERVER_DUMMY, Dialect, decoded
from signer.domain.identity import Identity
from signer.domain.requests import Signature
from signer.errors import CredentialsMissing, NoActiveVersion
from signer.errors.blind import DialectValueInvalid
from signer.services.digest_signing import DigestOrder
from signer.web.dialect_documents import SignServerAnswer, SignServerBody
from signer.web.front.messages import Answer, Request, json_answer
from signer.web.front.metrics import Metrics
from signer.web.front.rooms import Rooms
from signer.web.parsing import parsed
from signer.web.vault_orders import DIGEST_IN_BASE64

ENCODING = "BASE64"
# What the metadata has to say of ``data``, and nothing else.
METADATA = {"USING_CLIENTSUPPLIED_HASH": "true", "CLIENTSIDE_HASHDIGESTALGORITHM": "SHA-256"}


class SignServerHandlers:
    """The one route."""

    def __init__(self, application: Application, *, rooms: Rooms, metrics: Metrics) -> None:
        self._application = application
        self._digests = application.digests.signing
        self._rooms = rooms
        self._metrics = metrics

    async def process(self, request: Request, name: str) -> Answer:
        """A signature over a digest, with the certificate of the version that made it."""
        if request.identity is None:
            raise CredentialsMissing
        revision = await self._digests.authorise(request.identity, name)
        body = parsed(SignServerBody, await request.body.whole(self._application.limits.json))
        digest = _digest(body)
        if digest == SIGNSERVER_DUMMY:
            # Asked for the certificate's sake alone: nothing is signed, and so nothing is on record.
            return await self._answer(request, name, await self._active(name), b"")
        signature = await self._signed(request, request.identity, name, digest, revision)
        return await self._answer(request, name, signature.version, signature.encoded)

    async def _signed(self, request: Request, identity: Identity, name: str, digest: bytes, revision: int) -> Signature:
        order = DigestOrder(
            identity=identity,
            key=name,
            digests=(digest,),
            dialect=Dialect.SIGNSERVER.value,
            access_revision=revision,
            request_id=request.request_id,
        )
        ((seen, result),) = await self._digests.sign(order)
        if isinstance(result, Exception):
            raise result
        self._metrics.signed(name, seen)
        return result

    async def _active(self, name: str) -> int:
        active = (await self._digests.key(name)).active
        if active is None:
            raise NoActiveVersion(key=name)
        return active.number

    async def _answer(self, request: Request, name: str, version: int, encoded: bytes) -> Answer:
        certificate = await self._rooms.requests.run(self._certificate, name, version)
        document: SignServerAnswer = {
            "data": encoded.decode("ascii"),
            "signerCertificate": certificate,
            "requestId": request.request_id,
            "metaData": {},
        }
        return json_answer(document)

    def _certificate(self, name: str, version: int) -> str:
        pem = self._application.certificates.current(name, version).pem
        der = x509.load_pem_x509_certificate(pem.encode("ascii")).public_bytes(Encoding.DER)
        return base64.b64encode(der).decode("ascii")


def _digest(body: SignServerBody) -> bytes:
    if body.encoding != ENCODING:
        raise DialectValueInvalid(parameter="encoding", allowed=(ENCODING,))
    for name, wanted in METADATA.items():
        if body.meta_data.get(name) != wanted:
            raise DialectValueInvalid(parameter=f"metaData.{name}", allowed=(wanted,))
    if len(body.meta_data) > len(METADATA):
        raise DialectValueInvalid(parameter="metaData", allowed=tuple(METADATA))
    digest = decoded(body.data)
    if digest is None or len(digest) != DIGEST_BYTES:
        raise DialectValueInvalid(parameter="data", allowed=(DIGEST_IN_BASE64,))
    return digest
