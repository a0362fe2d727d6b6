"""Patterns for names: ``*`` stands for any letters within one segment; segments are what ``/`` separates.

Linear in the name for each piece of the pattern, whatever the name holds: names come from outside.
"""

from __future__ import annotations

WILD = "*"
SEPARATOR = "/"


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name fits the pattern."""
    patterns, names = pattern.split(SEPARATOR), name.split(SEPARATOR)
    return len(patterns) == len(names) and all(map(_segment, patterns, names))


def _segment(pattern: str, text: str) -> bool:
    first, *pieces = pattern.split(WILD)
    if not pieces:
        return first == text
    last = pieces.pop()
    if len(first) + len(last) > len(text) or not text.startswith(first) or not text.endswith(last):
        return False
    place, end = len(first), len(text) - len(last)
    # The first place for each piece leaves the most for those after it.
    for piece in pieces:
        found = text.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True
