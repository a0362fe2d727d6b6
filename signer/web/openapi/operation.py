"""What is said of a route beside its line in ``ROUTES``: what it takes, what it answers, and what it refuses.

Bodies and queries are named by the models that parse them, answers by the types that their documents have. So there is
one description of each, and nothing here says again what a model says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from typing_extensions import TypedDict

from signer.web.parsing import Query

JSON_MEDIA_TYPE = "application/json"
PEM_MEDIA_TYPE = "application/x-pem-file"
JWT_MEDIA_TYPE = "application/jwt"
TEXT_MEDIA_TYPE = "text/plain"
BYTES_MEDIA_TYPE = "application/octet-stream"
TEXT: Mapping[str, Any] = MappingProxyType({"type": "string"})
BYTES: Mapping[str, Any] = MappingProxyType({})
"""Any bytes: OpenAPI 3.1 says nothing of them but the media type."""

Shape = Any
"""A type that pydantic has a schema of, or a mapping that is a JSON Schema itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A header field, or a member of a query that no model reads. ``place``: ``header`` or ``query``."""

    name: str
    description: str
    place: str = "header"
    required: bool = False
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer. ``content``: a shape for each media type; ``headers``: what each says, beside those of all answers."""

    description: str
    content: Mapping[str, Shape] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A route.

    Attributes:
        summary: what it is for, in one sentence.
        answers: by status, those that grant.
        body: a model for JSON, or a shape for each media type; None: what comes is not read.
        query: the models that read the query; with several, one of them does.
        parameters: what no model reads.
        refusals: codes, beside those that all routes of its kind have (``refusals.py``).
        security: names of ``SECURITY``, where the line in ``ROUTES`` does not say them; one of them is enough, and
            ``""`` is none.
    """

    summary: str
    answers: Mapping[int, Told]
    body: Shape = None
    query: tuple[type[Query], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[str, ...] = ()
    security: tuple[str, ...] = ()


def told(shape: Shape, description: str = "Done.", *, status: int = 200, **headers: str) -> Mapping[int, Told]:
    """One answer in JSON. ``headers``: what each says, its name with underscores."""
    return {status: Told(description=description, content={JSON_MEDIA_TYPE: shape}, headers=_named(headers))}


def nothing(status: int, description: str = "Done.", **headers: str) -> Mapping[int, Told]:
    """One answer without a body."""
    return {status: Told(description=description, headers=_named(headers))}


def text(media_type: str, description: str, *, status: int = 200, **headers: str) -> Mapping[int, Told]:
    """One answer that is text of this media type."""
    return {status: Told(description=description, content={media_type: TEXT}, headers=_named(headers))}


def listed(member: str, shape: Shape) -> type:
    """The type of a document that has one member, a list."""
    name = f"{shape.__name__.removesuffix('Document')}List"
    made: type = TypedDict(name, {member: list[shape]})  # type: ignore[misc]
    return made


def _named(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name.replace("_", "-"): description for name, description in headers.items()}
