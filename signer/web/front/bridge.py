"""From the front to Flask: a complete request becomes a WSGI call, and its whole answer comes back.

Flask never waits for a client: it gets a body that was read to its end and is bounded, and what it answers is sent by
the loop. Its answers are documents; what is large is served by the front.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from signer.web.environ import IDENTITY, PROBLEM, REQUEST_ID
from signer.web.front.messages import Answer, Request

WsgiApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Bridge:
    """Calls a WSGI application. Safe for threads as far as that is."""

    def __init__(self, application: WsgiApplication) -> None:
        self._application = application

    def call(self, request: Request, body: bytes) -> Answer:
        """The application's answer; for a thread."""
        environ = _environ(request, body)
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
            started[:] = [(status, headers)]

        parts = self._application(environ, start_response)
        try:
            content = b"".join(parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()
        return _answer(request, *started[0], content, environ)


def _answer(
    request: Request, status: str, headers: list[tuple[str, str]], content: bytes, environ: dict[str, Any]
) -> Answer:
    kept, length = [], len(content)
    for name, value in headers:
        match name.lower():
            case "content-length":
                # The size of what GET would answer, where HEAD has no body.
                length = int(value) if request.method == "HEAD" else length
            case "x-request-id" | "x-men-requestid":
                pass
            case _:
                kept.append((name, value))
    return Answer(
        status=int(status[:3]), body=content, headers=tuple(kept), length=length, problem=environ.get(PROBLEM)
    )


def _environ(request: Request, body: bytes) -> dict[str, Any]:
    scope = request.scope
    server = scope.get("server") or ("localhost", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.raw_path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": request.peer.address or "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        REQUEST_ID: request.request_id,
        IDENTITY: request.identity,
    }
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        if key in ("CONTENT_LENGTH", "TRANSFER_ENCODING") or b"_" in name:
            continue  # said above; and a name with "_" would pass for the one with "-"
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value.decode("latin-1")
    return environ
