"""The head of a request as gunicorn's C parser has read it: what RFC 9112 asks beyond its grammar, and ASGI's scope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gunicorn_h1c import H1CProtocol

from signer.web.connections.refusals import CODING_UNSUPPORTED, HeadRefused, malformed

LINE_BYTES = 4094
FIELDS = 64
FIELD_BYTES = 8190
# Two of them would be read differently by whoever stands before the service (RFC 9110 section 5.3).
ONCE = frozenset({b"host", b"authorization", b"content-length", b"content-type", b"expect", b"transfer-encoding"})
HTTP_1_1 = (1, 1)
MALFORMED, EXPECTATION_FAILED = 400, 417
STATUSES = (MALFORMED, EXPECTATION_FAILED, CODING_UNSUPPORTED)
PRINTABLE = bytes(range(0x21, 0x7F))


@dataclass(slots=True)
class Head:
    """One request's head. ``ends``: whether the connection does, after the answer. ``expects``: 100 (Continue)."""

    scope: dict[str, Any]
    method: str
    ends: bool
    expects: bool


def new_parser(
    *,
    on_headers_complete: Callable[[], bool],
    on_body: Callable[[bytes], None],
    on_message_complete: Callable[[], None],
) -> Any:
    """The parser of one connection, with its callbacks; what it refuses it raises from ``feed``."""
    return H1CProtocol(
        on_headers_complete=on_headers_complete,
        on_body=on_body,
        on_message_complete=on_message_complete,
        limit_request_line=LINE_BYTES,
        limit_request_fields=FIELDS,
        limit_request_field_size=FIELD_BYTES,
        permit_unconventional_http_method=False,
        permit_unconventional_http_version=False,
    )


def read_head(parser: Any, connection: dict[str, Any]) -> Head:
    """The head that the parser has just completed. Raises ``HeadRefused``.

    ``connection``: what the scope says of all requests of the connection. The scope is ASGI's, less ``path``, which has
    lost what the bytes of ``raw_path`` tell apart.
    """
    method, version, headers = parser.method.decode("ascii"), parser.http_version, parser.asgi_headers
    expects = _check(headers, version)
    target: bytes = parser.path
    if target.translate(None, PRINTABLE):
        # RFC 9112 section 3.2: the target is a URI's, whose characters are these.
        raise HeadRefused(malformed(MALFORMED))
    raw_path, _, query = target.partition(b"?")
    scope = {
        **connection,
        "http_version": f"{version[0]}.{version[1]}",
        "method": method,
        "raw_path": raw_path,
        "query_string": query,
        # Behind CGI's names "_" and "-" are the same: nobody shall say one and be read as the other.
        "headers": [field for field in headers if b"_" not in field[0]],
    }
    # What follows a CONNECT is no request, whatever was answered (RFC 9931 section 8).
    return Head(scope, method, ends=method == "CONNECT" or not parser.should_keep_alive, expects=expects)


def _check(headers: list[tuple[bytes, bytes]], version: tuple[int, int]) -> bool:
    """Whether the client waits for 100 (Continue). Raises ``HeadRefused``."""
    seen, expects = set(), False
    for name, value in headers:
        if name in ONCE:
            if name in seen:
                raise HeadRefused(malformed(MALFORMED))
            seen.add(name)
            if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                raise HeadRefused(malformed(CODING_UNSUPPORTED))
            if name == b"expect":
                if value.strip().lower() != b"100-continue":
                    raise HeadRefused(malformed(EXPECTATION_FAILED))
                # RFC 9110 section 10.1.1: in HTTP/1.0 it says nothing.
                expects = version >= HTTP_1_1
    if b"host" not in seen and version >= HTTP_1_1:
        raise HeadRefused(malformed(MALFORMED))
    return expects
