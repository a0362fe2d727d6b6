"""``/.well-known/jwks/…``: the public keys of tokens, for whoever verifies them by themselves. They are no secret."""

from __future__ import annotations

from signer.application import Application
from signer.domain.token_claims import TokenKind
from signer.web.front.messages import Answer, Request
from signer.web.log_documents import NoQuery
from signer.web.parsing import parsed_query

MEDIA_TYPE = "application/jwk-set+json"
FOR_A_MINUTE = (("Cache-Control", "public, max-age=60"),)


class KeySetHandlers:
    """The two routes."""

    def __init__(self, application: Application) -> None:
        self._verifier = application.token_verifier

    async def users(self, request: Request) -> Answer:
        """Of users' tokens."""
        return await self._of(request, TokenKind.USER)

    async def devices(self, request: Request) -> Answer:
        """Of devices' tokens."""
        return await self._of(request, TokenKind.DEVICE)

    async def _of(self, request: Request, kind: TokenKind) -> Answer:
        parsed_query(NoQuery, request.query)
        await self._verifier.keep_current()
        return Answer(content_type=MEDIA_TYPE, body=self._verifier.key_set(kind), headers=FOR_A_MINUTE)
