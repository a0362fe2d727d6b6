"""JSON from strangers: an object, each member once, no constants that JSON does not have."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn


class NotStrictJson(ValueError):
    """These bytes are not one JSON object with each member once."""


def strict_object(raw: bytes | str, *, parse_int: Callable[[str], Any] = int) -> dict[str, Any]:
    """The object; raises ``NotStrictJson``. Whoever calls has bounded the size.

    ``parse_int``: what is made of a number without fraction and exponent.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_members, parse_constant=_constant, parse_int=parse_int)
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
