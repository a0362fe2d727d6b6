"""The document itself: the table of routes, what is said of each, and the schemas of what they take and answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from signer import __version__
from signer.web.dialect_routes import EVERY_ROUTE
from signer.web.families import MENDER_REQUEST_ID, Family, family_of
from signer.web.openapi.catalogue import FAMILIES, OPERATIONS
from signer.web.openapi.operation import JSON_MEDIA_TYPE, Operation, Told
from signer.web.openapi.parameters import parameters
from signer.web.openapi.problems import PROBLEM_COMPONENTS, RefusedAnswers, problem_answer
from signer.web.openapi.refusals import refusals
from signer.web.openapi.security import SECURITY, security
from signer.web.openapi.shapes import Shapes
from signer.web.routes import Route

Document = dict[str, Any]
VERSION = "3.1.0"
DESCRIPTION = """Signs Mender Artifacts with keys in an HSM.

Each path has one spelling. `HEAD` works where `GET` does, and `OPTIONS` tells the methods of a path. What is no proper
HTTP is refused before there is a route, as a problem document too: `malformed-http`, `request-timeout`,
`https-required`. Clients ignore members of answers that they do not know: later releases add some."""


def openapi_document(*, url: str | None) -> Document:
    """The description of all routes. ``url``: what the service calls itself; None: clients know where it is."""
    shapes, refused = _shapes(), RefusedAnswers()
    twice = {name for name, number in Counter(route.name for route in EVERY_ROUTE).items() if number > 1}
    paths: Document = {}
    for route in EVERY_ROUTE:
        described = _operation(route, OPERATIONS[route.name], shapes, refused)
        described["operationId"] = f"{route.name}_{route.method.lower()}" if route.name in twice else route.name
        paths.setdefault(route.path, {})[route.method.lower()] = described
    return {
        "openapi": VERSION,
        "info": {
            "title": "artifact-signer",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": url or "/"}],
        "tags": [{"name": family} for family in FAMILIES],
        "paths": paths,
        "components": {
            "schemas": {**shapes.components, **PROBLEM_COMPONENTS},
            "responses": refused.components,
            "securitySchemes": {name: dict(scheme) for name, scheme in SECURITY.items()},
            "headers": {
                "RequestId": {
                    "description": "The id of the request, as in the service's log.",
                    "schema": {"type": "string"},
                }
            },
        },
    }


def _shapes() -> Shapes:
    shapes = Shapes()
    for operation in OPERATIONS.values():
        for shape in _content(operation.body).values():
            shapes.add(shape)
        for answer in operation.answers.values():
            for shape in answer.content.values():
                shapes.add(shape)
    shapes.make()
    return shapes


def _content(body: Any) -> Mapping[str, Any]:
    if body is None:
        return {}
    return body if isinstance(body, Mapping) else {JSON_MEDIA_TYPE: body}


def _operation(route: Route, operation: Operation, shapes: Shapes, refused: RefusedAnswers) -> Document:
    family = next(name for name, operations in FAMILIES.items() if route.name in operations)
    answers = {str(status): _answer(route, answer, shapes) for status, answer in sorted(operation.answers.items())}
    spoken = family_of(route.path)
    for status, codes in refusals(route, operation.refusals).items():
        granted = answers.get(str(status))
        if granted is None:
            answers[str(status)] = refused.reference(status, codes, _headers(route, {}), family=spoken)
        else:
            # A status that both grants and refuses: the media type tells which.
            granted["content"] |= problem_answer(status, codes, {}, family=spoken)["content"]
    described: Document = {
        "summary": operation.summary,
        "tags": [family],
        "security": security(route, operation),
        "parameters": parameters(route, operation),
        "responses": answers,
    }
    if route.action is not None:
        described["x-action"] = route.action.value
    if operation.body is not None:
        described["requestBody"] = _body(operation.body, shapes)
    return described


def _body(body: Any, shapes: Shapes) -> Document:
    needed = isinstance(body, Mapping) or any(field.is_required() for field in body.model_fields.values())
    return {
        "required": needed,
        "content": {kind: {"schema": shapes.schema(shape)} for kind, shape in _content(body).items()},
    }


def _answer(route: Route, answer: Told, shapes: Shapes) -> Document:
    described: Document = {"description": answer.description, "headers": _headers(route, answer.headers)}
    if answer.content:
        described["content"] = {kind: {"schema": shapes.schema(shape)} for kind, shape in answer.content.items()}
    return described


def _headers(route: Route, own: Mapping[str, str]) -> Document:
    request_id = {"$ref": "#/components/headers/RequestId"}
    mender = {MENDER_REQUEST_ID: request_id} if family_of(route.path) is Family.MENDER else {}
    told = {name: {"description": description, "schema": {"type": "string"}} for name, description in own.items()}
    return {"X-Request-Id": request_id, **mender, **told}
