"""The Flask application: what the front hands on, answered by the services or refused with a problem document."""

from __future__ import annotations

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter

from signer import errors
from signer.application import Application
from signer.web import (
    mender_devices,
    mender_users,
    native_access,
    native_api_tokens,
    native_approvals,
    native_certificates,
    native_ci_sessions,
    native_client_certificates,
    native_device_certificates,
    native_keys,
    native_recalls,
    native_server_certificates,
    native_users,
)
from signer.web.context import EXTENSION
from signer.web.environ import PROBLEM, REQUEST_ID
from signer.web.families import MENDER_REQUEST_ID, family_of
from signer.web.problems import MEDIA_TYPE
from signer.web.refusals import printable, refused
from signer.web.routes import NUMBER_PATTERN, ROUTES, Route

MODULES = (
    mender_devices,
    native_keys,
    native_recalls,
    native_certificates,
    native_access,
    native_api_tokens,
    native_approvals,
    native_ci_sessions,
    native_client_certificates,
    native_device_certificates,
    native_server_certificates,
    native_users,
    mender_users,
)


class VersionConverter(BaseConverter):
    """The number of a key version: one spelling, and no more than the database counts."""

    regex = NUMBER_PATTERN

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
    for route in ROUTES:
        if not route.in_front:
            _add(app, route)
    app.before_request(_begin)
    app.after_request(_end)
    app.register_error_handler(Exception, _refuse)
    return app


def _add(app: Flask, route: Route) -> None:
    view = next(getattr(module, route.name) for module in MODULES if hasattr(module, route.name))
    app.add_url_rule(route.flask_rule, endpoint=route.name, view_func=view, methods=[route.method])


def _begin() -> None:
    g.family = family_of(request.environ["PATH_INFO"])
    g.request_id = request.environ.get(REQUEST_ID) or g.family.request_id(request.headers.get(MENDER_REQUEST_ID))
    if request.environ["PATH_INFO"].startswith("//"):
        # The router drops slashes at the beginning; a proxy that guards paths reads them as part of the path.
        raise NotFound


def _end(response: Response) -> Response:
    response.headers.extend(g.family.headers(g.request_id))
    return response


def _refuse(error: Exception) -> Response:
    refusal = refused(_known(error), method=request.method, path=printable(request.path), request_id=g.request_id)
    request.environ[PROBLEM] = refusal.problem
    document = refusal.problem.document(g.request_id, g.family)
    response = Response(document, status=refusal.problem.status, content_type=MEDIA_TYPE)
    response.headers.extend(refusal.headers)
    return response


def _known(error: Exception) -> Exception:
    """What the router refuses, in the service's own terms."""
    match error:
        case MethodNotAllowed():
            return errors.MethodNotAllowed(allowed=tuple(sorted(error.valid_methods or ())))
        case NotFound():
            return errors.RouteNotFound()
        case HTTPException():
            return errors.InvalidRequest(problems=(error.name.lower(),))
        case _:
            return error
