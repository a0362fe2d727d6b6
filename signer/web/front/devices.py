"""``/api/devices/v1/authentication``: what devices ask without a credential of ours; and their certificates.

1. ``Authorization`` on an authentication request is noise of Mender's clients; it is not looked at.
2. What is verified are the bytes of the body as they came, read and verified in a thread: both may take a while.
3. A certificate that comes with it is looked at first; what it lacks is said, for its holder has proved the key of it.
4. The answer is the token and nothing else: clients put it into a header as it is.
"""

from __future__ import annotations

from signer.application import Application
from signer.domain.auth_requests import UnverifiedKeyChange, read_auth_request, read_key_change
from signer.domain.certificate_requests import RequestedKey, read_certificate_request
from signer.domain.timestamps import rfc3339
from signer.domain.token_claims import DeviceSubject, TokenKind, VerifiedToken
from signer.errors import (
    AuthRequestInvalid,
    DeviceRefusal,
    DeviceRefused,
    MediaTypeNotSupported,
    SubjectRefused,
    TokenRefused,
)
from signer.services.device_authentication import AwaitedKey
from signer.services.device_ca_ports import DeviceCertificateRecord
from signer.services.device_certificate_documents import certificate_pem
from signer.web.front.messages import JSON_MEDIA_TYPE, Answer, Request, json_answer
from signer.web.front.rooms import Rooms
from signer.web.refusals import printable

SIGNATURE = b"x-men-signature"
NEXT_SIGNATURE = b"x-men-next-signature"
PEM_MEDIA_TYPE = "application/x-pem-file"
TOKEN_MEDIA_TYPE = "application/jwt"  # noqa: S105  (a media type)
BEARER = "bearer "
NOT_KEPT = (("Cache-Control", "no-store"),)
# What a device that has the keys does not get wrong.
FORGED = frozenset({DeviceRefusal.SIGNATURE, DeviceRefusal.NEXT_SIGNATURE, DeviceRefusal.TOKEN})


class DeviceHandlers:
    """The three routes."""

    def __init__(self, application: Application, *, rooms: Rooms) -> None:
        self._application = application
        self._rooms = rooms

    async def authenticate(self, request: Request) -> Answer:
        """Body: what the device says of itself, signed. Answer: its token."""
        body = await self._body(request)
        try:
            subject = await self._rooms.requests.run(self._admitted, body, request)
        except DeviceRefused as refused:
            raise self._counted(request, refused) from None
        try:
            token = await self._application.token_issuer.issue(
                subject, actor=f"device:{subject.device_id}", request_id=request.request_id
            )
        except SubjectRefused:
            # Something else was decided since it was looked at.
            raise DeviceRefused(reason=DeviceRefusal.REJECTED) from None
        return Answer(content_type=TOKEN_MEDIA_TYPE, body=token.text.encode("ascii"), headers=NOT_KEPT)

    async def change_key(self, request: Request) -> Answer:
        """Body: the change, signed by both keys. Answer: JSON with what the next key is."""
        body = await self._body(request)
        # Read first: what is no request is told so without a look at the token.
        unverified = await self._rooms.requests.run(read_key_change, body)
        try:
            token = await self._token(request)
            awaited = await self._rooms.requests.run(self._changed, unverified, request, token)
        except DeviceRefused as refused:
            raise self._counted(request, refused) from None
        document = {
            "auth_set": awaited.auth_set,
            "status": "preauthorized",
            "valid_until": rfc3339(awaited.valid_until),
        }
        answer = json_answer(document)
        answer.headers = NOT_KEPT
        return answer

    async def renew_certificate(self, request: Request) -> Answer:
        """Body: a certificate signing request, PEM. Answer: the next certificate, PEM.

        It comes with the token, and over a connection with the certificate that is about to end.
        """
        self._application.attempts.check(request.peer)
        body = await request.body.whole(self._application.limits.device)
        # Read first: what is no request is told so without a look at the token.
        requested = await self._rooms.requests.run(read_certificate_request, body)
        try:
            token = await self._token(request)
            record = await self._rooms.requests.run(self._renewed, token, request, requested)
        except DeviceRefused as refused:
            raise self._counted(request, refused) from None
        return Answer(content_type=PEM_MEDIA_TYPE, body=certificate_pem(record).encode("ascii"), headers=NOT_KEPT)

    def _renewed(self, token: VerifiedToken, request: Request, requested: RequestedKey) -> DeviceCertificateRecord:
        shown = self._application.device_certificates.shown(request.credentials)
        return self._application.device_ca.renew(token, shown, requested)

    def _admitted(self, body: bytes, request: Request) -> DeviceSubject:
        shown = self._application.device_certificates.shown(request.credentials)
        proved = read_auth_request(body).verified(request.header(SIGNATURE))
        return self._application.device_authentication.admit(proved, request.peer.network, shown)

    def _changed(self, unverified: UnverifiedKeyChange, request: Request, token: VerifiedToken) -> AwaitedKey:
        shown = self._application.device_certificates.shown(request.credentials)
        change = unverified.verified(request.header(SIGNATURE), request.header(NEXT_SIGNATURE))
        return self._application.device_authentication.change_key(change, token, shown)

    async def _body(self, request: Request) -> bytes:
        self._application.attempts.check(request.peer)
        if request.body.length != 0:
            _require_json(request.header(b"content-type"))
        return await request.body.whole(self._application.limits.device)

    async def _token(self, request: Request) -> VerifiedToken:
        verifier = self._application.token_verifier
        authorization = request.header(b"authorization") or ""
        if authorization[: len(BEARER)].lower() != BEARER:
            raise DeviceRefused(reason=DeviceRefusal.TOKEN)
        await verifier.keep_current()
        try:
            return verifier.verify(authorization[len(BEARER) :].strip(), TokenKind.DEVICE)
        except TokenRefused:
            raise DeviceRefused(reason=DeviceRefusal.TOKEN) from None

    def _counted(self, request: Request, refused: DeviceRefused) -> DeviceRefused:
        if refused.reason in FORGED:
            self._application.attempts.failed(request.peer)
        return refused


def _require_json(content_type: str | None) -> None:
    kind = (content_type or "").partition(";")[0].strip().lower()
    if "/" not in kind:
        raise AuthRequestInvalid(problem="the header Content-Type is missing, or none")
    if kind != JSON_MEDIA_TYPE:
        raise MediaTypeNotSupported(media_type=printable(kind[:100]))
