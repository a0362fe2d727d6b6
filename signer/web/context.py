"""What every route begins with: the service, the caller, the body."""

from __future__ import annotations

from typing import cast

from flask import Response, current_app, request

from signer.application import Application
from signer.domain.access.actions import Action
from signer.domain.credentials import Credentials, Peer, PeerKind
from signer.domain.identity import Identity
from signer.web.documents import encoded
from signer.web.environ import IDENTITY

# Where the running application keeps the service.
EXTENSION = "artifact-signer"


def service() -> Application:
    """The service behind the routes."""
    return cast("Application", current_app.extensions[EXTENSION])


def authenticated() -> Identity:
    """The caller, proved: by the front, or here where nothing stands in front."""
    proved: Identity | None = request.environ.get(IDENTITY)
    return proved or service().authenticator.authenticate(_credentials())


def _credentials() -> Credentials:
    peer = Peer(kind=PeerKind.TCP, address=request.remote_addr)
    return Credentials(peer=peer, authorization=request.headers.get("Authorization"))


def client_address() -> str | None:
    """Where the request comes from, as far as that is believed."""
    return request.remote_addr or None


def authorised(action: Action, key: str | None = None) -> Identity:
    """The caller, proved and allowed to do this, with this key."""
    identity = authenticated()
    service().access.require(identity, action, key)
    return identity


def json_body() -> bytes:
    """The bytes of the body: read to its end and bounded by the front."""
    return request.get_data(cache=False)


def answer(document: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(encoded(document), status=status, content_type="application/json")
