"""JSON bodies and query parameters as checked values. What storage or a token cannot take is refused here.

1. A member or parameter has the type that it is documented with: no number stands for a time, no text for a number,
   and ``true`` is no number.
2. A member or parameter comes once, and unknown ones are refused: readers disagree about which of two counts.
3. Timestamps are RFC 3339 section 5.6 with a zone, and lie where certificates can hold them (RFC 5280 section 4.1.2.5).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, ValidationError, WithJsonSchema

from signer.errors import InvalidRequest

TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
EARLIEST = datetime(1950, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
# A signed integer of 64 bits is the most that databases count with.
MAX_ID = (1 << 63) - 1
NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


class Body(BaseModel):
    """A JSON body: unknown members are refused, and none is converted from another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ReasonBody(Body):
    """What needs a reason and nothing else."""

    reason: str


class Query(BaseModel):
    """Parameters of a query, all of them text; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _timestamp(value: object) -> datetime:
    if not isinstance(value, str) or not TIMESTAMP.fullmatch(value):
        raise ValueError("must be an RFC 3339 timestamp with a zone, such as 2030-01-31T12:00:00Z")
    try:
        timestamp = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no date and time of the calendar") from None
    if not EARLIEST <= timestamp <= LATEST:
        raise ValueError(f"must lie in the years {EARLIEST.year} to {LATEST.year}")
    return timestamp


def _number(value: object) -> int:
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        raise ValueError("must be a number in plain digits")
    return int(value)


Timestamp = Annotated[datetime, PlainValidator(_timestamp), WithJsonSchema({"type": "string", "format": "date-time"})]
# Before, and not instead of, what tells a number: so schemas know its bounds.
QueryNumber = Annotated[int, BeforeValidator(_number)]

Model = TypeVar("Model", bound=BaseModel)


def parsed(model: type[Model], raw: bytes) -> Model:
    """The JSON body as a checked ``model``; raises ``InvalidRequest``."""
    text = raw or b"{}"
    try:
        checked = model.model_validate_json(text)
    except ValidationError as error:
        raise InvalidRequest(problems=_sentences(error)) from None
    # It is JSON, and small and flat, or it would be no model.
    json.loads(text, object_pairs_hook=_members)
    return checked


def parsed_query(model: type[Model], parameters: Iterable[tuple[str, str]]) -> Model:
    """The query parameters, as names and values, as a checked ``model``; raises ``InvalidRequest``."""
    try:
        return model.model_validate(_members([*parameters]))
    except ValidationError as error:
        raise InvalidRequest(problems=_sentences(error)) from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(problems=(f"{twice}: comes more than once",))
    return members


def _sentences(error: ValidationError) -> tuple[str, ...]:
    # What was sent is left out: it may be a credential in the wrong place.
    return tuple(
        f"{'.'.join(str(part) for part in item['loc']) or 'the body'}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_input=False, include_url=False)
    )
