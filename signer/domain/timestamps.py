"""Timestamps: how a moment is written wherever machines read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, overload


class _DateTime:
    """What JSON Schema says of such a text; whoever makes schemas asks for it by this name."""

    @staticmethod
    def __get_pydantic_json_schema__(core_schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(core_schema), "format": "date-time"}


Moment = Annotated[str, _DateTime()]
"""A moment as ``rfc3339`` writes it."""


@overload
def rfc3339(value: datetime) -> str: ...
@overload
def rfc3339(value: None) -> None: ...
@overload
def rfc3339(value: datetime | None) -> str | None: ...
def rfc3339(value: datetime | None) -> str | None:
    """An aware moment in UTC as RFC 3339 section 5.6 with ``Z``, to the microsecond; None stays None."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value is not None else None
