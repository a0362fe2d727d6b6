"""The objects of a long list, one after another, without the list ever being in memory.

1. What is read: arrays of objects, one after another (the pages of an API as they came), and objects one after another
   (a line each, as exports of databases have them).
2. Each byte is looked at once, and an object has at most so many. What an object holds is read by whoever gets it.
3. A list that is not whole is none: ``finish`` raises where an array or an object is still open.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from signer.errors.imports import ListUnreadable

_BLANK = re.compile(rb"[ \t\r\n]+")
_OUTSIDE_TEXT = re.compile(rb'["{}]')
_INSIDE_TEXT = re.compile(rb'["\\]')
_OPEN, _CLOSE, _QUOTE = b"{", b"}", b'"'


class _Expected(Enum):
    LIST = auto()  # an array or an object, or the end
    FIRST = auto()  # an object, or the end of the array that has begun
    NEXT = auto()  # a comma, or the end of the array
    OBJECT = auto()  # an object: a comma came before


# What may come where, and what may come after it; an object is opened by ``{`` wherever one may come.
_MARKS: dict[tuple[_Expected, bytes], _Expected] = {
    (_Expected.LIST, b"["): _Expected.FIRST,
    (_Expected.FIRST, b"]"): _Expected.LIST,
    (_Expected.NEXT, b","): _Expected.OBJECT,
    (_Expected.NEXT, b"]"): _Expected.LIST,
}
# Where an object may come, and what is expected behind it.
_BEHIND: dict[_Expected, _Expected] = {
    _Expected.LIST: _Expected.LIST,
    _Expected.FIRST: _Expected.NEXT,
    _Expected.OBJECT: _Expected.NEXT,
}


class JsonElements:
    """Bytes in, the bytes of whole objects out. ``most``: bytes of one object. After an error it stays broken."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._expected = _Expected.LIST
        self._at = 0
        self._depth = 0
        self._in_text = self._escaped = False
        self._begun = bytearray()
        self._broken: ListUnreadable | None = None
        self._empty = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """The objects that are whole with this chunk; raises ``ListUnreadable``."""
        if self._broken is not None:
            raise self._broken
        found: list[bytes] = []
        position = 0
        while position < len(chunk):
            position = self._within(chunk, position, found) if self._depth else self._between(chunk, position)
        self._at += len(chunk)
        return found

    def finish(self) -> None:
        """The list ends here; raises ``ListUnreadable`` where it is not whole, or there is none."""
        if self._broken is not None:
            raise self._broken
        if self._empty or self._depth or self._expected is not _Expected.LIST:
            raise self._failed("it is empty" if self._empty else "it is not whole", 0)

    def _between(self, chunk: bytes, position: int) -> int:
        if (blank := _BLANK.match(chunk, position)) is not None:
            return blank.end()
        mark = chunk[position : position + 1]
        self._empty = False
        if mark == _OPEN and self._expected in _BEHIND:
            self._expected = _BEHIND[self._expected]
            self._depth = 1
            self._begun += mark
            return position + 1
        following = _MARKS.get((self._expected, mark))
        if following is None:
            raise self._failed("something else than an object stands there", position)
        self._expected = following
        return position + 1

    def _within(self, chunk: bytes, start: int, found: list[bytes]) -> int:
        """Go on with the object that has begun, to its end or that of the chunk."""
        position = start
        while position < len(chunk) and self._depth:
            position = self._next(chunk, position)
        if len(self._begun) + position - start > self._most:
            raise self._failed(f"an object is longer than {self._most} bytes", start)
        self._begun += chunk[start:position]
        if not self._depth:
            found.append(bytes(self._begun))
            self._begun.clear()
        return position

    def _next(self, chunk: bytes, position: int) -> int:
        if self._escaped:
            self._escaped = False
            return position + 1
        mark = (_INSIDE_TEXT if self._in_text else _OUTSIDE_TEXT).search(chunk, position)
        if mark is None:
            return len(chunk)
        if mark[0] == _QUOTE:
            self._in_text = not self._in_text
        elif self._in_text:
            self._escaped = True
        else:
            self._depth += 1 if mark[0] == _OPEN else -1
        return mark.end()

    def _failed(self, problem: str, position: int) -> ListUnreadable:
        self._broken = ListUnreadable(problem=problem, at=self._at + position)
        return self._broken
