"""Routes of users that wait for a token to be signed: logging in, and personal access tokens.

Who logs in shows nothing but a name, a password and at most a code; a body may be missing whatever its media type says.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from signer.application import Application
from signer.domain.token_claims import IssuedToken
from signer.errors.users import LoginRefusal, LoginRefused
from signer.services.login import LoginAttempt
from signer.web.basic import basic_credentials
from signer.web.front.messages import Answer, Request
from signer.web.parsing import Body, parsed

# More than any token lives, and no more than a duration can be.
MOST_SECONDS = 1 << 31
JWT_MEDIA_TYPE = "application/jwt"


class LoginBody(Body):
    """``token2fa``: a code of the second factor. ``no_expiry`` is Mender's, and asks for what nobody gets here."""

    token2fa: Annotated[str | None, Field(max_length=16)] = None
    no_expiry: bool | None = None


class PersonalTokenBody(Body):
    """``POST …/settings/tokens``. ``expires_in``: seconds."""

    name: Annotated[str, Field(max_length=200)]
    expires_in: Annotated[int, Field(ge=0, le=MOST_SECONDS)]


class UserHandlers:
    """The two routes."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def login(self, request: Request) -> Answer:
        """Credentials of the Basic scheme; the answer is the token and nothing else, not even a newline."""
        shown = basic_credentials(request.header(b"authorization"))
        body = parsed(LoginBody, await request.body.whole(self._application.limits.json))
        if shown is None:
            raise LoginRefused(reason=LoginRefusal.NO_CREDENTIALS)
        attempt = LoginAttempt(
            unverified_email=shown.unverified_email,
            password=shown.password,
            unverified_code=body.token2fa or None,
            address=request.peer.address,
            request_id=request.request_id,
        )
        return _token(await self._application.users.login.login(attempt))

    async def create_personal_token(self, request: Request) -> Answer:
        """Body: JSON. The answer is the token."""
        body = parsed(PersonalTokenBody, await request.body.whole(self._application.limits.json))
        assert request.identity is not None  # noqa: S101  (the route asks who)
        lifetime = timedelta(seconds=body.expires_in)
        tokens = self._application.users.personal_tokens
        return _token(await tokens.create(request.identity, body.name, lifetime, request_id=request.request_id))


def _token(token: IssuedToken) -> Answer:
    return Answer(
        content_type=JWT_MEDIA_TYPE, body=token.text.encode("ascii"), headers=(("Cache-Control", "no-store"),)
    )
