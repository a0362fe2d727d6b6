"""``GET /v1/openapi.json``: the routes, described for programs. It tells nothing of this installation but its URL."""

from __future__ import annotations

from signer.web.documents import encoded
from signer.web.front.messages import JSON_MEDIA_TYPE, Answer, Request
from signer.web.front.rooms import Rooms
from signer.web.log_documents import NoQuery
from signer.web.openapi.document import openapi_document
from signer.web.parsing import parsed_query

FOR_AN_HOUR = (("Cache-Control", "private, max-age=3600"),)


class OpenApiHandlers:
    """The one route. The document is made when it is first asked for. ``url``: what the service calls itself."""

    def __init__(self, *, url: str | None, rooms: Rooms) -> None:
        self._url = url
        self._rooms = rooms
        self._made: bytes | None = None

    async def show(self, request: Request) -> Answer:
        """The document."""
        parsed_query(NoQuery, request.query)
        if self._made is None:
            self._made = await self._rooms.requests.run(self._make)
        return Answer(content_type=JSON_MEDIA_TYPE, body=self._made, headers=FOR_AN_HOUR)

    def _make(self) -> bytes:
        return encoded(openapi_document(url=self._url))
