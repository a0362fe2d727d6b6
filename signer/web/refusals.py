"""The one place that turns an exception into an answer: its problem document, and the headers that go with it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from hsm.errors import TokenError
from signer.errors import MethodNotAllowed, SignerError
from signer.logs import origin
from signer.web.families import Family
from signer.web.problems import Problem, problem_of
from verifier import VerificationError

logger = logging.getLogger("artifact-signer.request")

UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A problem, with the status that its clients know it by, and the header fields that this asks for."""

    problem: Problem
    status: int
    headers: tuple[tuple[str, str], ...]


def refused(error: Exception, *, method: str, path: str, request_id: str, family: Family = Family.NATIVE) -> Refusal:
    """What is answered where a request ended in ``error``; an unforeseen one leaves a line in the log."""
    problem = problem_of(error)
    status = family.status(problem.status)
    if not isinstance(error, SignerError | TokenError | VerificationError):
        logger.error("%s in %s %s", origin(error), method, path, extra={"request_id": request_id})
    headers = []
    if status == UNAUTHORIZED:  # RFC 9110 section 15.5.2 asks for the header with it
        headers.append(("WWW-Authenticate", "Bearer"))
    if isinstance(error, MethodNotAllowed):  # RFC 9110 section 15.5.6 asks for the header with it
        headers.append(("Allow", ", ".join(error.allowed)))
    if problem.retry_after is not None:
        headers.append(("Retry-After", str(problem.retry_after)))
    return Refusal(problem=problem, status=status, headers=tuple(headers))


def printable(path: str) -> str:
    """A path as a log line may hold it: it is the client's, and must not make lines of its own."""
    return path.encode("unicode_escape").decode("ascii")
