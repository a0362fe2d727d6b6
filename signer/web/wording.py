"""The form in which a kind of refusal is worded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How one kind of refusal is told. ``detail`` and ``hint`` are formatted with the error's facts."""

    status: int
    detail: str
    hint: str | None = None
    transient: bool = False  # the same request may succeed a little later: Retry-After is sent
