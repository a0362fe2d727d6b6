"""``/api/internal/v1/…``: a gateway asks whether a request may go on; there is an answer, and no body.

They are found over the gateway's socket alone. A body that comes with the question is not read.
"""

from __future__ import annotations

from signer.application import Application
from signer.domain.forwarded import ForwardedRequest
from signer.domain.token_claims import TokenKind
from signer.errors import SignerError
from signer.web.front.messages import Answer, Request
from signer.web.front.metrics import Metrics

ADMITTED = "admitted"


class GatewayHandlers:
    """The two doors, each for GET and POST."""

    def __init__(self, application: Application, *, metrics: Metrics) -> None:
        self._application = application
        self._metrics = metrics

    async def verify_device_token(self, request: Request) -> Answer:
        """For what devices ask."""
        return await self._answered(request, TokenKind.DEVICE)

    async def verify_user_token(self, request: Request) -> Answer:
        """For what people ask."""
        return await self._answered(request, TokenKind.USER)

    async def _answered(self, request: Request, kind: TokenKind) -> Answer:
        try:
            asked = ForwardedRequest.parse(
                method=request.header(b"x-forwarded-method"), uri=request.header(b"x-forwarded-uri")
            )
            await self._application.gateway_door.admit(
                kind, request.fields(b"authorization"), asked, request.credentials
            )
        except SignerError as error:
            self._metrics.verified(kind.value, error.code)
            raise
        self._metrics.verified(kind.value, ADMITTED)
        return Answer()
