"""Timestamps: how a moment is written wherever machines read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def rfc3339(value: datetime) -> str: ...
@overload
def rfc3339(value: None) -> None: ...
@overload
def rfc3339(value: datetime | None) -> str | None: ...
def rfc3339(value: datetime | None) -> str | None:
    """An aware moment in UTC as RFC 3339 section 5.6 with ``Z``, to the microsecond; None stays None."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value is not None else None
