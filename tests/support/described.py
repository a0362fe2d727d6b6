"""Holds what the service answers against what its OpenAPI document says, wherever tests ask it in process.

Clients have to ignore members that they do not know; here there are none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

from signer.web.dialect_routes import EVERY_ROUTE
from signer.web.openapi.document import openapi_document
from signer.web.routes import Route, RouteTable

TABLE = RouteTable(EVERY_ROUTE)
# Which another schema continues, and closes.
CONTINUED = ("Problem", "MenderProblem")
# Not in every environment: what says that it is there is tests/signer/web/test_openapi.py.
CHECKED = find_spec("jsonschema") is not None


@cache
def document() -> dict[str, Any]:
    """The description that the service serves."""
    return openapi_document(url="https://signer.example")


def check_answer(method: str, target: str, body: bytes, *, status: int, content_type: str | None, data: bytes) -> None:
    """Raises ``AssertionError`` for an answer that the document does not have, or a body that it would not take."""
    match = TABLE.match(target.partition("?")[0].encode("latin-1"))
    route = match.route(method) if match and method != "OPTIONS" else None
    if route is None:
        return
    told = operation(route)
    where = f"{method} {target} {status}"
    assert str(status) in told["responses"], f"{where}: no such status in the description: {data[:300]!r}"
    if method != "HEAD":
        _check_content(where, route, status, content_type, data)
    if status < 300 and body and "json" in "".join(told.get("requestBody", {}).get("content", {})):
        problems = [each.message for each in body_validator(route).iter_errors(json.loads(body))]
        assert problems == [], f"{where}: the description would not take what was taken: {problems}"


def operation(route: Route) -> dict[str, Any]:
    """What the document says of a route."""
    described: dict[str, Any] = document()["paths"][route.path][route.method.lower()]
    return described


def response(route: Route, status: int) -> dict[str, Any]:
    """What it says of one status."""
    told: dict[str, Any] = operation(route)["responses"][str(status)]
    name = told.get("$ref", "").rpartition("/")[2]
    return document()["components"]["responses"][name] if name else told


def _check_content(where: str, route: Route, status: int, content_type: str | None, data: bytes) -> None:
    content = response(route, status).get("content", {})
    kind = (content_type or "").partition(";")[0]
    assert bool(data) is bool(content) or not kind, f"{where}: a body where there is none, or none: {data[:300]!r}"
    if not data:
        return
    assert kind in content, f"{where}: {kind} is not described"
    if kind.endswith("json"):
        problems = [each.message for each in validator(route, status, kind).iter_errors(json.loads(data))]
        assert problems == [], f"{where}: {problems} in {data[:600]!r}"


@cache
def validator(route: Route, status: int, kind: str) -> Any:
    """Of one kind of answer."""
    from jsonschema import Draft202012Validator

    schema = _closed(response(route, status)["content"][kind]["schema"])
    return Draft202012Validator(
        {**schema, "components": _components()}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


@cache
def body_validator(route: Route) -> Any:
    """Of what is sent."""
    from jsonschema import Draft202012Validator

    (content,) = operation(route)["requestBody"]["content"].values()
    return Draft202012Validator({**content["schema"], "components": document()["components"]})


@cache
def _components() -> Mapping[str, Any]:
    schemas = document()["components"]["schemas"]
    return {"schemas": {name: each if name in CONTINUED else _closed(each) for name, each in schemas.items()}}


def _closed(schema: Any) -> Any:
    """The schema, taking no member that it does not name."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if isinstance(schema.get("allOf"), list):
        closed["unevaluatedProperties"] = False
    elif isinstance(schema.get("properties"), Mapping) and "type" in schema:
        closed["additionalProperties"] = False
    return closed
