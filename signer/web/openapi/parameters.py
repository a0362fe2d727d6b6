"""Parameters: those of paths by their names, those of queries from the models that read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from signer.domain.keys import NAME_PATTERN
from signer.web.openapi.operation import TEXT, Operation, Parameter
from signer.web.openapi.shapes import plain
from signer.web.routes import NUMBER_PATTERN, Route

Schema = dict[str, Any]

_NAME = {"type": "string", "pattern": f"^{NAME_PATTERN.pattern}$"}
PATH_PARAMETERS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "key": ("The name of a key.", _NAME),
        "name": ("The name of a person, a group or an API token.", _NAME),
        "number": ("The number of a version.", {"type": "integer", "minimum": 1, "maximum": 999_999_999}),
        "approval": ("The id of an approval.", TEXT),
        "email": ("The e-mail address of a user.", TEXT),
        "user": ("The id of a user; `me` is oneself.", TEXT),
        "ca": ("The name of a CA of devices.", TEXT),
        "jti": ("The id of a token.", TEXT),
        "hash": ("How what is signed was hashed: `sha2-256`.", TEXT),
        "device": ("The id of a device.", TEXT),
        "auth_set": ("The id of an authentication set.", TEXT),
        "tile": (
            "All of the rest of the path, with its slashes as they are: `LEVEL/NUMBER` or `NUMBER` of a bundle, and "
            "`.p/WIDTH` for the beginning of one.",
            TEXT,
        ),
    }
)
assert NUMBER_PATTERN.endswith("{0,8}")  # noqa: S101  (the maximum above is its)


def parameters(route: Route, operation: Operation) -> list[Schema]:
    """Of the path, of the query, and header fields."""
    return [
        *(_of_path(name) for name in route.parameters),
        *_of_query(operation.query),
        *(_described(each) for each in operation.parameters),
    ]


def _of_path(name: str) -> Schema:
    description, schema = PATH_PARAMETERS[name]
    return {"name": name, "in": "path", "required": True, "description": description, "schema": plain(schema)}


def _of_query(models: Iterable[type[BaseModel]]) -> list[Schema]:
    """With several models none of their members is demanded: which one it is, one of them tells."""
    known = [*models]
    found: dict[str, Schema] = {}
    for model in known:
        schema = plain(model.model_json_schema(by_alias=True))
        for name, member in schema.get("properties", {}).items():
            needed = len(known) == 1 and name in schema.get("required", ())
            found.setdefault(name, {"name": name, "in": "query", "required": needed, "schema": _sent(member)})
    return [*found.values()]


def _sent(schema: Schema) -> Schema:
    """Nobody can send that there is nothing: a member is left out."""
    kept = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
    options = [option for option in kept.pop("anyOf", []) if option != {"type": "null"}]
    return {**kept, **options[0]} if len(options) == 1 else {**kept, **({"anyOf": options} if options else {})}


def _described(each: Parameter) -> Schema:
    return {
        "name": each.name,
        "in": each.place,
        "required": each.required,
        "description": each.description,
        "schema": plain(each.schema),
    }
