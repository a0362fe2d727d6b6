"""JSON as every client reads it: UTF-8, one value, no repeated keys, finite numbers, whole surrogate pairs.

Go replaces broken text and takes the last of repeated keys, C++ clients stop at some of it: what they could
read differently is refused here. Keys are repeated also where only the case of ASCII letters tells them apart: C++
clients ignore it, and the last one wins. Every step is linear in the length of the document.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from verifier.errors import (
    JsonFieldAmbiguous,
    JsonFieldTypeWrong,
    JsonFieldUnknown,
    JsonInvalid,
    JsonKeyRepeated,
    LimitExceeded,
)
from verifier.limits import Limits

# A string, to the end of the document where it does not end, or a bracket. Possessive: nothing is looked at twice.
_STRING_OR_BRACKET = rb'(?s)"(?:[^"\\]++|\\.)*+"?|[\[\]{}]'
_SURROGATES = re.compile("[\ud800-\udfff]")
_ESCAPE = b"\\u"
_BLANKS = " \t\n\r"

_TYPE_NAMES: dict[type, str] = {dict: "object", list: "array", str: "string"}


def parse_object(raw: bytes, *, document: str, limits: Limits) -> dict[str, Any]:
    """The JSON object in ``raw``; ``document`` names it in errors."""
    if len(raw) > limits.json_bytes:
        raise LimitExceeded(part=document, limit="json_bytes", allowed=limits.json_bytes)
    _check_depth(raw, document=document, limits=limits)
    try:
        text = raw.decode("utf-8")
        # Only an escape makes half of a surrogate pair, so a document without any is not searched for them.
        decoder = _WITH_ESCAPES if _ESCAPE in raw else _WITHOUT_ESCAPES
        value, end = decoder.raw_decode(text, len(text) - len(text.lstrip(_BLANKS)))
        if end != len(text) and text[end:].strip(_BLANKS):
            raise JsonInvalid(document=document)
    except _RepeatedError as error:
        raise JsonKeyRepeated(document=document, key=error.key) from None
    except (ValueError, RecursionError):
        raise JsonInvalid(document=document) from None
    if not isinstance(value, dict):
        raise JsonFieldTypeWrong(document=document, field="", expected="object")
    return value


def check_known(value: dict[str, Any], known: frozenset[str], *, document: str, path: str = "") -> None:
    """Refuse fields that are not in ``known``; ``path`` is where ``value`` is, with a dot at its end."""
    for field in value:
        if field not in known:
            raise JsonFieldUnknown(document=document, field=path + field)


def unknown_fields(value: dict[str, Any], known: frozenset[str], *, document: str) -> tuple[str, ...]:
    """The fields that are not in ``known``; refused when Go would take one for a known field."""
    unknown = tuple(field for field in value if field not in known)
    for field in unknown:
        if field.casefold() in known:
            raise JsonFieldAmbiguous(document=document, field=field)
    return unknown


def strings(value: Any, *, document: str, field: str) -> tuple[str, ...]:
    """An array of strings."""
    items = typed(value, list, document=document, field=field)
    for item in items:
        if not isinstance(item, str):
            raise JsonFieldTypeWrong(document=document, field=f"{field}[]", expected=_TYPE_NAMES[str])
    return tuple(items)


def string_map(value: Any, *, document: str, field: str) -> dict[str, str]:
    """An object whose values are strings."""
    pairs: dict[str, str] = typed(value, dict, document=document, field=field)
    for key, item in pairs.items():
        if not isinstance(item, str):
            raise JsonFieldTypeWrong(document=document, field=f"{field}.{key}", expected=_TYPE_NAMES[str])
    return pairs


def typed(value: Any, kind: type, *, document: str, field: str) -> Any:
    """``value`` if it is of ``kind`` (``dict``, ``list`` or ``str``)."""
    if not isinstance(value, kind):
        raise JsonFieldTypeWrong(document=document, field=field, expected=_TYPE_NAMES[kind])
    return value


def folded(key: str) -> str:
    """``key`` as C++ clients compare it: upper-case ASCII letters count as lower-case ones, others do not."""
    return (
        key.lower() if key.isascii() else key.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
    )


class _RepeatedError(Exception):
    """An object has ``key`` twice."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # ``folded`` is for what is not ASCII; a call for each key would take half of the time of a document.
    if len({key.lower() if key.isascii() else folded(key) for key, _ in pairs}) != len(pairs):
        _refuse_repeated(pairs)
    return dict(pairs)


def _object_of_whole_text(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for key, value in pairs:
        _check_text(key)
        _check_text(value)
    return _object(pairs)


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> NoReturn:
    seen: set[str] = set()
    for key, _ in pairs:
        if folded(key) in seen:
            raise _RepeatedError(key)
        seen.add(folded(key))
    raise AssertionError("no key is repeated")


def _constant(_: str) -> NoReturn:
    raise ValueError


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _integer(text: str) -> int:
    # Go keeps the numbers of meta-data as doubles, and refuses what does not fit.
    _float(text)
    return int(text)


def _check_text(value: Any) -> None:
    if isinstance(value, str) and _SURROGATES.search(value):
        raise ValueError
    if isinstance(value, list):
        for item in value:
            _check_text(item)


def _decoder(objects: Callable[[list[tuple[str, Any]]], dict[str, Any]]) -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=objects, parse_constant=_constant, parse_float=_float, parse_int=_integer)


_WITHOUT_ESCAPES = _decoder(_object)
_WITH_ESCAPES = _decoder(_object_of_whole_text)


def _check_depth(raw: bytes, *, document: str, limits: Limits) -> None:
    """Refuse deep nesting before the parser recurses into it."""
    if raw.count(b"[") + raw.count(b"{") <= limits.json_depth:
        return
    depth = 0
    for token in re.finditer(_STRING_OR_BRACKET, raw):
        first = raw[token.start()]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
        if depth > limits.json_depth:
            raise LimitExceeded(part=document, limit="json_depth", allowed=limits.json_depth)
