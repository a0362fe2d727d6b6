"""A request and an answer, as the handlers of the front see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from signer.application import BodyLimit
from signer.domain.credentials import CERTIFICATE_FIELDS, Credentials, Peer
from signer.domain.identity import Identity
from signer.errors import BodyInterrupted, BodyTooLarge, CredentialsAmbiguous
from signer.web.documents import encoded
from signer.web.environ import PEER_CERTIFICATE
from signer.web.families import MENDER_REQUEST_ID, Family, family_of
from signer.web.front.deadline import Deadline
from signer.web.problems import Problem
from signer.web.refusals import printable

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
JSON_MEDIA_TYPE = "application/json"
# Where Vault's clients put their token.
VAULT_TOKEN = b"x-vault-token"
CLAIMED_REQUEST_ID = MENDER_REQUEST_ID.lower().encode("ascii")
CERTIFICATE_HEADERS = frozenset(name.encode("ascii") for name in CERTIFICATE_FIELDS)


class Body:
    """The body of one request, to be read once."""

    def __init__(self, receive: Receive, *, length: int | None, deadline: Deadline) -> None:
        self._receive = receive
        self._deadline = deadline
        self.length = length
        """The declared size in bytes; None where the body comes in chunks."""

    def chunks(self, limit: BodyLimit) -> AsyncIterator[bytes]:
        """The bytes as they come; raises ``BodyTooLarge``, at once where declared, or ``BodyInterrupted``."""
        self._check(limit, 0)
        return self._chunks(limit)

    async def whole(self, limit: BodyLimit) -> bytes:
        """All bytes of a small body; raises what ``chunks`` does."""
        self._check(limit, 0)
        parts, received, goes_on = [], 0, True
        self._deadline.rest()
        try:
            while goes_on:
                part, goes_on = await self._next(received)
                received += len(part)
                self._check(limit, received)
                parts.append(part)
        finally:
            self._deadline.go_on()
        return b"".join(parts)

    async def _chunks(self, limit: BodyLimit) -> AsyncIterator[bytes]:
        received = 0
        self._deadline.rest()
        try:
            while True:
                chunk, goes_on = await self._next(received)
                received += len(chunk)
                self._check(limit, received)
                if chunk:
                    yield chunk
                if not goes_on:
                    return
        finally:
            self._deadline.go_on()

    async def _next(self, received: int) -> tuple[bytes, bool]:
        """What comes next, and whether that is not all; ``received``: the bytes before it."""
        message = await self._receive()
        if message["type"] != "http.request":
            raise BodyInterrupted(received=received, expected=self.length)
        return message["body"], message["more_body"]

    def _check(self, limit: BodyLimit, received: int) -> None:
        if received > limit.octets or (self.length is not None and self.length > limit.octets):
            raise BodyTooLarge(limit=limit.octets, setting=limit.setting)


class Request:
    """One request: its head, its caller once that is proved, and its body unread."""

    __slots__ = (
        "_headers",
        "_scope",
        "body",
        "deadline",
        "family",
        "for_gateways",
        "identity",
        "method",
        "peer",
        "raw_path",
        "request_id",
        "route",
        "route_path",
    )

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        peer: Peer,
        deadline: Deadline,
        route_path: bytes | None = None,
    ) -> None:
        """``route_path``: what is looked up in the table of routes; None: the path itself."""
        self._scope = scope
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self.method: str = scope["method"]
        self.raw_path: bytes = scope["raw_path"]
        self.route_path = self.raw_path if route_path is None else route_path
        self.family = family_of(self.route_path[:64].decode("latin-1"))
        self.request_id = self.family.request_id(self.header(CLAIMED_REQUEST_ID))
        self.peer = peer
        self.deadline = deadline
        self.identity: Identity | None = None
        self.route: str | None = None
        """The name of its route, once that is found."""
        self.for_gateways = False
        """Whether that is one which gateways alone ask."""
        length = self._headers.get(b"content-length")
        chunked = b"transfer-encoding" in self._headers
        self.body = Body(receive, length=None if chunked else int(length or 0), deadline=deadline)

    @property
    def path(self) -> str:
        """The path for log lines."""
        return printable(self.raw_path.decode("latin-1"))

    @property
    def credentials(self) -> Credentials:
        """What the request shows of who asks."""
        return Credentials(
            peer=self.peer,
            authorization=self._authorization,
            peer_certificate=self._scope.get(PEER_CERTIFICATE),
            certificate_headers=self._certificate_headers,
        )

    @property
    def _authorization(self) -> str | None:
        """The field, or what stands for it where Vault's clients ask; raises ``CredentialsAmbiguous``."""
        told = self.header(b"authorization")
        tokens = self.fields(VAULT_TOKEN) if self.family is Family.VAULT else ()
        if not tokens:
            return told
        if told is not None or len(tokens) > 1:
            raise CredentialsAmbiguous
        return f"Bearer {tokens[0]}"

    @property
    def _certificate_headers(self) -> tuple[tuple[str, str], ...]:
        if CERTIFICATE_HEADERS.isdisjoint(self._headers):
            return ()
        told = ((name, value) for name, value in self._scope["headers"] if name in CERTIFICATE_HEADERS)
        return tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in told)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The parameters, as names and values."""
        if not self._scope["query_string"]:
            return []
        return parse_qsl(self._scope["query_string"].decode("latin-1"), keep_blank_values=True)

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """All that the server knows of the request."""
        return self._scope

    def header(self, name: bytes) -> str | None:
        """A header field, by its name in lower case."""
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    def fields(self, name: bytes) -> tuple[str, ...]:
        """Every header field of this name, in lower case: where a second one is another answer than none."""
        return tuple(value.decode("latin-1") for each, value in self._scope["headers"] if each == name)


@dataclass(slots=True, kw_only=True)
class Answer:
    """An answer. ``stream`` stands in for ``body`` where that is large; ``length`` is its size in bytes."""

    status: int = 200
    content_type: str | None = None
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    stream: AsyncIterator[bytes] | None = None
    length: int | None = None
    problem: Problem | None = field(default=None)

    async def send(self, send: Send, request_id: str, family: Family = Family.NATIVE) -> None:
        """Give it to the connection, which makes whoever streams wait for the client."""
        length = len(self.body) if self.length is None else self.length
        told = (*self.headers, *family.headers(request_id))
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told]
        if self.content_type is not None:
            headers.append((b"content-type", self.content_type.encode("latin-1")))
        headers.append((b"content-length", b"%d" % length))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if self.stream is not None:
            async for chunk in self.stream:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


def json_answer(document: object, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status=status, content_type=JSON_MEDIA_TYPE, body=encoded(document))
