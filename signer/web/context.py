"""What every route begins with: the service, the caller, the body."""

from __future__ import annotations

from typing import cast

from flask import Response, current_app, g, request

from signer.application import Application
from signer.domain.identity import Identity
from signer.domain.policy import Action
from signer.services.access import require
from signer.web.bodies import RequestBody
from signer.web.documents import encoded

# Where the running application keeps the service.
EXTENSION = "artifact-signer"


def service() -> Application:
    """The service behind the routes."""
    return cast("Application", current_app.extensions[EXTENSION])


def authenticated() -> Identity:
    """The caller, proved."""
    identity = service().authenticator.authenticate(request.headers.get("Authorization"))
    g.identity = identity
    return identity


def authorised(action: Action) -> Identity:
    """The caller, proved and allowed to do this."""
    identity = authenticated()
    require(identity, action)
    return identity


def body() -> RequestBody:
    """The body of the request, unread."""
    g.body = RequestBody(request.environ, read_timeout=service().limits.read_timeout)
    return cast("RequestBody", g.body)


def json_body() -> bytes:
    """The bytes of a small JSON body."""
    return body().whole(service().limits.json)


def answer(document: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(encoded(document), status=status, content_type="application/json")
