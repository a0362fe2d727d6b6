"""JSON Schemas of the types that bodies and answers have, each once, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

REFERENCE = "#/components/schemas/{model}"
Schema = dict[str, Any]
Mode = Literal["validation", "serialization"]


class Shapes:
    """Gathers shapes, then knows the schema of each."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[str, Mode, TypeAdapter[Any]]] = {}
        self._schemas: Mapping[Any, Schema] = {}
        self.components: Schema = {}

    def add(self, shape: Any) -> None:
        """One that will be asked for."""
        if isinstance(shape, Mapping):
            return
        mode: Mode = "validation" if isinstance(shape, type) and issubclass(shape, BaseModel) else "serialization"
        self._asked[repr(shape)] = (repr(shape), mode, TypeAdapter(shape))

    def make(self) -> None:
        """The schemas of all that were added."""
        schemas, definitions = TypeAdapter.json_schemas(self._asked.values(), ref_template=REFERENCE)
        self._schemas = {name: plain(schema) for (name, _mode), schema in schemas.items()}
        self.components = plain(definitions.get("$defs", {}))

    def schema(self, shape: Any) -> Schema:
        """Of one that was added."""
        return dict(plain(shape)) if isinstance(shape, Mapping) else self._schemas[repr(shape)]


# What pydantic calls bounds of a number that is read from text: words that JSON Schema does not know.
_BOUNDS = {"ge": "minimum", "le": "maximum"}


def plain(schema: Any) -> Any:
    """A schema in the words of JSON Schema, and without the titles that repeat the names of its members."""
    if isinstance(schema, Mapping):
        kept = ((name, value) for name, value in schema.items() if not (name == "title" and isinstance(value, str)))
        return {_BOUNDS.get(name, name) if isinstance(value, int) else name: plain(value) for name, value in kept}
    return [plain(each) for each in schema] if isinstance(schema, list) else schema
