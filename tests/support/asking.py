"""Asks an ASGI application as a server would, without one: any path, in any spelling."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from signer.web.front.application import Front
from tests.support.described import CHECKED, check_answer

Asgi = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer; the names of header fields are in lower case."""

    status_code: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")

    def json(self) -> Any:
        return json.loads(self.data)


def ask(
    application: Asgi,
    method: str,
    target: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    said: Mapping[str, Any] | None = None,
) -> Reply:
    """One request. ``target``: path and query as they are on the wire; ``said``: what else the server knows of it.

    What the service answers is what its description says.
    """
    reply = asyncio.run(_ask(application, method, target, headers or {}, body, said or {}))
    if CHECKED and isinstance(application, Front):
        kind = reply.content_type
        check_answer(method, target, body, status=reply.status_code, content_type=kind, data=reply.data)
    return reply


async def _ask(
    application: Asgi, method: str, target: str, headers: Mapping[str, str], body: bytes, said: Mapping[str, Any]
) -> Reply:
    path, _, query = target.partition("?")
    fields = {"host": "test", **({"content-length": str(len(body))} if body else {})}
    fields |= {name.lower(): value for name, value in headers.items()}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        **said,
    }
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    start, *parts = sent
    return Reply(
        status_code=start["status"],
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]},
        # As the server has it: an answer to HEAD has no body.
        data=b"" if method == "HEAD" else b"".join(part["body"] for part in parts),
    )
