"""Patterns of many rules, found by a text instead of tried one by one.

Rules are numbers, and several of them marks: the integer in which the bit of each number is set. What a look-up costs
grows with the shapes of the patterns (how long they are before the first wild card and behind the last), not with how
many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from signer.domain.access.patterns import Pattern, Patterns

Ends = tuple[str, str]


class PatternIndex:
    """Rules by their patterns.

    Attributes:
        bounded: marks of the rules that have patterns here, or say that there may be no value.
    """

    __slots__ = ("_literal", "_shapes", "bounded")

    def __init__(self, bounds: Iterable[tuple[int, Patterns]]) -> None:
        self.bounded = 0
        self._literal: dict[str, int] = {}
        # By the lengths of both ends, then by the ends: whatever fits a pattern begins and ends as it does. Then by
        # the longest text inside, which has to be in it.
        self._shapes: dict[tuple[int, int], dict[Ends, dict[str, dict[Pattern, int]]]] = {}
        for number, patterns in bounds:
            mark = 1 << number
            self.bounded |= mark
            for text in patterns.literal:
                self._literal[text] = self._literal.get(text, 0) | mark
            for pattern in patterns.wild:
                ends = pattern.ends
                by_inner = self._shapes.setdefault((len(ends[0]), len(ends[1])), {}).setdefault(ends, {})
                same = by_inner.setdefault(pattern.inner, {})
                same[pattern] = same.get(pattern, 0) | mark

    def fitting(self, text: str) -> int:
        """Marks of the rules of which a pattern fits the text."""
        found = self._literal.get(text, 0)
        for (front, back), by_ends in self._shapes.items():
            # Ends that overlap in the text fit nothing, and ``Pattern.fits`` says so.
            by_inner = by_ends.get((text[:front], text[len(text) - back :] if back <= len(text) else ""), {})
            for inner, same in by_inner.items():
                if inner in text:
                    found |= _fitting(same, text)
        return found


def _fitting(same: Mapping[Pattern, int], text: str) -> int:
    found = 0
    for pattern, marks in same.items():
        if pattern.fits(text):
            found |= marks
    return found


def numbers(marks: int) -> Iterator[int]:
    """The numbers that are marked, in their order."""
    while marks:
        lowest = marks & -marks
        yield lowest.bit_length() - 1
        marks ^= lowest
