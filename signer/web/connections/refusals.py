"""What is answered before there is a request, as bytes: a problem document that ends its connection."""

from __future__ import annotations

import secrets
from http import HTTPStatus

from signer.web.problems import MEDIA_TYPE, Problem

SERVER_NAME = "artifact-signer"

PLAIN_HTTP = Problem(
    status=400,
    code="https-required",
    detail="this port speaks https only, and the request came as plain http",
    hint="use https:// in the URL",
    facts={},
)
HEAD_TIMEOUT = Problem(
    status=408, code="request-timeout", detail="the head of the request did not arrive in time", facts={}
)
UNEXPECTED = Problem(status=500, code="internal-error", detail="the service failed in a way it does not know", facts={})
CODING_UNSUPPORTED = 501


class HeadRefused(Exception):
    """A request head that the parser took and the service does not."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def malformed(status: int) -> Problem:
    """What is not proper HTTP/1.1."""
    detail = "the request is not proper HTTP/1.1"
    if status == CODING_UNSUPPORTED:
        detail = "the only transfer coding that the service takes is chunked"
    return Problem(status=status, code="malformed-http", detail=detail, facts={})


def reason(status: int) -> str:
    """The reason phrase of a status."""
    return HTTPStatus(status).phrase


def answer_bytes(problem: Problem) -> bytes:
    """The whole answer."""
    body = problem.document(secrets.token_hex(8))
    head = (
        f"HTTP/1.1 {problem.status} {reason(problem.status)}\r\nServer: {SERVER_NAME}\r\n"
        f"Content-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
