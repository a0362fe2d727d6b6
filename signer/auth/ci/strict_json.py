"""JSON from strangers: an object, each member once, no constants that JSON does not have."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class NotStrictJson(ValueError):
    """These bytes are not one JSON object with each member once."""


def strict_object(raw: bytes) -> dict[str, Any]:
    """The object; raises ``NotStrictJson``. Whoever calls has bounded the size."""
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_members, parse_constant=_constant)
    except NotStrictJson:
        raise
    except (ValueError, RecursionError):  # wrong text, a number of too many digits, or too many levels
        raise NotStrictJson from None
    if not isinstance(value, dict):
        raise NotStrictJson
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrictJson  # readers disagree about which of two counts
    return members


def _constant(_: str) -> NoReturn:
    raise NotStrictJson  # NaN and Infinity
