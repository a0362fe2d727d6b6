"""The application: every request gets an id, an answer or a problem document, and one log line."""

from __future__ import annotations

import logging
import secrets
import time

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter

from hsm.errors import TokenError
from signer.application import Application
from signer.errors import SignerError
from signer.logs import origin
from signer.web import native_certificates, native_keys, native_signing, ops
from signer.web.connection import close_after_answer
from signer.web.context import EXTENSION
from signer.web.problems import MEDIA_TYPE, Problem, problem_of
from verifier import VerificationError

logger = logging.getLogger("artifact-signer.request")
REQUEST_ID_BYTES = 8


class VersionConverter(BaseConverter):
    """The number of a key version: one spelling, and no more than the database counts."""

    regex = "[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        """The number."""
        return int(value)


class BareResponse(Response):
    """A response without a body has no media type either; Flask's own would call an empty one HTML."""

    default_mimetype = None


def create_app(application: Application) -> Flask:
    """The routes over the service, as a WSGI application."""
    app = Flask("artifact-signer", static_folder=None)
    app.response_class = BareResponse
    # A path has one spelling: others would be answered with a redirect in HTML, which no handler here sees.
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    app.url_map.converters["version"] = VersionConverter
    app.extensions[EXTENSION] = application
    app.register_blueprint(native_signing.blueprint)
    app.register_blueprint(native_keys.blueprint)
    app.register_blueprint(native_certificates.blueprint)
    app.register_blueprint(ops.blueprint)
    app.before_request(_begin)
    app.after_request(_end)
    app.register_error_handler(Exception, _refuse)
    return app


def _begin() -> None:
    g.request_id = secrets.token_hex(REQUEST_ID_BYTES)
    g.started = time.monotonic()
    g.problem = None
    if request.environ["PATH_INFO"].startswith("//"):
        # The router drops slashes at the beginning; a proxy that guards paths reads them as part of the path.
        raise NotFound


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    problem: Problem | None = g.problem
    identity = g.get("identity")
    logger.log(
        logging.INFO if problem is None else logging.WARNING,
        "%s %s %d",
        request.method,
        # The path is the client's; its control characters must not make lines of their own.
        request.path.encode("unicode_escape").decode("ascii"),
        response.status_code,
        extra={
            "request_id": g.request_id,
            "code": problem.code if problem else None,
            "identity": identity.name if identity else None,
            "client": request.remote_addr,
            "milliseconds": round((time.monotonic() - g.started) * 1000, 1),
        },
    )
    return response


def _refuse(error: Exception) -> Response:
    if isinstance(error, HTTPException):
        problem = _http_problem(error)
    else:
        problem = problem_of(error)
        if not isinstance(error, SignerError | TokenError | VerificationError):
            logger.error(
                "%s in %s %s",
                origin(error),
                request.method,
                request.path.encode("unicode_escape").decode("ascii"),
                extra={"request_id": g.request_id},
            )
    g.problem = problem
    response = Response(problem.document(g.request_id), status=problem.status, content_type=MEDIA_TYPE)
    if problem.status == 401:  # noqa: PLR2004  (RFC 9110 section 15.5.2 asks for the header with it)
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, MethodNotAllowed):  # RFC 9110 section 15.5.6 asks for the header with it
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    if _body_is_left():
        close_after_answer()
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    return response


def _body_is_left() -> bool:
    body = g.get("body")
    announced = bool(request.content_length) or "Transfer-Encoding" in request.headers
    return announced and not (body is not None and body.read_to_end)


def _http_problem(error: HTTPException) -> Problem:
    """What the router refuses: no such route, no such method."""
    name = error.name.lower()
    return Problem(
        status=error.code or 500,
        code={404: "route-not-found", 405: "method-not-allowed"}.get(error.code or 500, name.replace(" ", "-")),
        detail={404: "there is no such route", 405: "the route does not take this method"}.get(error.code or 500, name),
        facts={},
    )
