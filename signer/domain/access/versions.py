"""How versions of artifacts are ordered, and what a version is in each order.

1. ``numeric``: one whole number of at most 18 digits; leading zeros count for nothing.
2. ``semver``: Semantic Versioning 2.0.0, section 11. Build metadata decides nothing.
3. ``debian``: ``[epoch:]upstream[-revision]`` as Debian Policy 5.6.12 writes and compares it.

What is no version in its order is refused, never guessed at. Linear in the text, which is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from itertools import zip_longest
from typing import Any

MAX_VERSION_CHARACTERS = 128
_NUMBER = re.compile(r"[0-9]{1,18}")
_WHOLE = r"(?:0|[1-9][0-9]*)"
_SEMVER = re.compile(
    rf"({_WHOLE})\.({_WHOLE})\.({_WHOLE})(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_MAX_EPOCH = (1 << 31) - 1
_EPOCH = re.compile(r"[0-9]{1,10}")
_UPSTREAM = re.compile(r"[0-9][0-9A-Za-z.+~:-]*")
_REVISION = re.compile(r"[0-9A-Za-z.+~]+")
_RUNS = re.compile(r"([^0-9]*)([0-9]*)")
# A tilde is before the end of a text, which is before letters, which are before everything else.
_TILDE, _END, _OTHERS = -1, 0, 0x110000


class Order(StrEnum):
    """An order of versions, declared by the rule that asks for it."""

    NUMERIC = "numeric"
    SEMVER = "semver"
    DEBIAN = "debian"


def rank(order: Order, version: str) -> Any:
    """What compares with the rank of any other version of the order as the versions do; raises ``ValueError``."""
    if len(version) > MAX_VERSION_CHARACTERS:
        raise ValueError(f"has more than {MAX_VERSION_CHARACTERS} characters")
    return _RANKS[order](version)


def is_older(order: Order, version: str, *, than: str) -> bool:
    """Whether ``version`` comes before ``than``; raises ``ValueError`` where one of them is none."""
    return bool(rank(order, version) < rank(order, than))


def step(version: str, *, above: str) -> int:
    """By how much a numeric version is above another; raises ``ValueError``."""
    return int(rank(Order.NUMERIC, version)) - int(rank(Order.NUMERIC, above))


def _numeric(version: str) -> int:
    if not _NUMBER.fullmatch(version):
        raise ValueError("is no whole number of 1 to 18 digits")
    return int(version)


def _semver(version: str) -> tuple[object, ...]:
    match = _SEMVER.fullmatch(version)
    before = match[4].split(".") if match is not None and match[4] else []
    if match is None or any(part.isdigit() and part != "0" and part.startswith("0") for part in before):
        raise ValueError("is no version of Semantic Versioning, such as 1.4.0 or 2.0.0-rc.1")
    # A version without anything after the hyphen comes after every one that has it; numbers before words.
    prerelease = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in before)
    return int(match[1]), int(match[2]), int(match[3]), not prerelease, prerelease


def _debian(version: str) -> tuple[object, ...]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, hyphen, revision = rest.rpartition("-")
    if not hyphen:
        upstream, revision = rest, "0"
    written = _EPOCH.fullmatch(epoch) and _UPSTREAM.fullmatch(upstream) and _REVISION.fullmatch(revision)
    if not written or int(epoch) > _MAX_EPOCH:
        raise ValueError("is no version of Debian, such as 1:1.4.0-2 or 2.0~rc1")
    return int(epoch), _Runs(upstream), _Runs(revision)


class _Runs:
    """A part of a Debian version: runs of what is no digit, and numbers, by turns."""

    __slots__ = ("_runs",)

    def __init__(self, text: str) -> None:
        self._runs = [(_weights(words), int(number or "0")) for words, number in _RUNS.findall(text)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Runs) and self._compared(other) == 0

    def __lt__(self, other: _Runs) -> bool:
        return self._compared(other) < 0

    def __hash__(self) -> int:
        return 0  # equal ones may be written in several ways

    def _compared(self, other: _Runs) -> int:
        for (words, number), (words_, number_) in zip_longest(self._runs, other._runs, fillvalue=([], 0)):
            for weight, weight_ in zip_longest(words, words_, fillvalue=_END):
                if weight != weight_:
                    return -1 if weight < weight_ else 1
            if number != number_:
                return -1 if number < number_ else 1
        return 0


def _weights(words: str) -> list[int]:
    return [_TILDE if each == "~" else ord(each) if each.isalpha() else _OTHERS + ord(each) for each in words]


_RANKS: dict[Order, Callable[[str], Any]] = {
    Order.NUMERIC: _numeric,
    Order.SEMVER: _semver,
    Order.DEBIAN: _debian,
}
