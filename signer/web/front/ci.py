"""``POST /v1/auth/ci``: a job's token comes in, a session goes out.

Who waits for an issuer's keys waits on the loop, and takes no thread from anybody else.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from signer.application import Application
from signer.domain.timestamps import Moment, rfc3339
from signer.errors import CiKeysUnavailable, CredentialsRejected
from signer.web.front.messages import Answer, Request, json_answer
from signer.web.front.rooms import Rooms
from signer.web.parsing import Body, parsed

CREATED = 201
# Of waiting for an issuer's keys; a fetch takes no longer.
WAIT_SECONDS = 5.0


class ExchangeBody(Body):
    """The body. ``nonce``: at least 128 random bits that the client chose, to be given the same session once more."""

    token: str
    nonce: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_-]{22,128}$")] = None


class ExchangedSession(TypedDict):
    """A session: the bearer token, whose it is, and its end."""

    session: str
    identity: str
    expires_at: Moment


class CiHandlers:
    """The one route."""

    def __init__(self, application: Application, *, rooms: Rooms) -> None:
        self._application = application
        self._rooms = rooms

    async def exchange(self, request: Request) -> Answer:
        """Body: JSON. Answer: JSON with the session."""
        exchange, attempts = self._application.ci, self._application.attempts
        attempts.check(request.peer)
        body = parsed(ExchangeBody, await request.body.whole(self._application.limits.json))
        try:
            presented = exchange.begin(body.token, request.request_id)
            if presented.waiting is not None:
                await _settled(presented.waiting)
            session = await self._rooms.requests.run(exchange.finish, presented, body.nonce, request.request_id)
        except CredentialsRejected:
            attempts.failed(request.peer)
            raise
        document: ExchangedSession = {
            "session": session.text,
            "identity": session.identity,
            "expires_at": rfc3339(session.expires_at),
        }
        answer = json_answer(document, CREATED)
        answer.headers = (("Cache-Control", "no-store"),)
        return answer


async def _settled(waiting: Future[None]) -> None:
    # Others wait for the same: whoever gives up, or goes away, does not break it off for them.
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.shield(asyncio.wrap_future(waiting))
    except TimeoutError:
        raise CiKeysUnavailable from None
