"""The body of a batch, ``{"requests": [{"manifest" | "head": BASE64}, …]}``, read in steps as it comes.

1. One pass, each step bounded by the bytes that it is given: 64 MiB at once would hold an event loop up, also from a
   thread. What is held is one item's text and what the items decode to.
2. What is no JSON, or has another form outside of its items, is refused whole. An item of another form is an item that
   is refused: the others are not spoilt.
3. Base64 has one form here: the standard alphabet, padded, on one line, its last bits zero (RFC 4648 section 3.5).
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from signer.errors import EmptyBody, InvalidRequest, SignerError
from signer.errors.batches import BatchEmpty, BatchItemInvalid, BatchItemTooLarge, BatchTooLong

MAX_ITEMS = 1000
MAX_ITEM_BYTES = 256 << 10
# Base64 takes four bytes for three; JSON may write some of them longer, and space around them.
MAX_ITEM_TEXT = MAX_ITEM_BYTES * 3 // 2 + 1024
# Brackets, texts and commas of one item: more than any item has, little enough to look at one by one.
MAX_ITEM_PARTS = 64
# The space that may stand before the first item.
MAX_START_BYTES = 4096

_SPACE = rb"[ \t\r\n]*+"
_START = re.compile(_SPACE.join((b"", rb"\{", rb'"requests"', b":", rb"\[", b"")))
_ITEM = re.compile(
    _SPACE.join((b"", rb"\{", rb'"(manifest|head)"', b":", rb'"([A-Za-z0-9+/=]*+)"', rb"\}", rb"(?=[,\]])"))
)
_WHITE = re.compile(_SPACE)
_BETWEEN = re.compile(rb'[^"\[\]{},]*+')
# A backslash at the end of what has come stays: what it escapes is to follow.
_IN_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


class Part(StrEnum):
    """What an item holds of an artifact."""

    MANIFEST = "manifest"
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One item as it was sent, decoded."""

    part: Part
    unverified_content: bytes


Read = BatchItem | SignerError
Step = Callable[[], bool]
_PARTS = {part.value.encode("ascii"): part for part in Part}


class BatchReader:
    """Takes the body chunk by chunk. Feed it all, then call ``finish`` once; either refuses all with a ``SignerError``.

    ``items``: those that were read so far, in order; one that is refused is its refusal.
    """

    def __init__(self) -> None:
        self.items: list[Read] = []
        self._received = 0
        self._buffer = b""
        self._at = 0
        # What takes the next bytes.
        self._step: Step = self._start
        self._text = bytearray()
        self._too_large = False
        self._in_text = False
        self._depth = 0
        self._parts = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises ``InvalidRequest`` or ``BatchTooLong``."""
        self._received += len(chunk)
        # What was left of the last step is a few bytes.
        self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        while self._at < len(self._buffer) and self._step():
            pass

    def finish(self) -> list[Read]:
        """The items. Raises ``EmptyBody``, ``BatchEmpty`` or ``InvalidRequest``."""
        if not self._received:
            raise EmptyBody
        if self._step != self._done:
            raise _not_a_batch("ends before it is complete, or is no batch")
        if not self.items:
            raise BatchEmpty
        return self.items

    # Each step goes on from where the last one was, and says whether it came to another one; if not, more bytes are
    # needed.

    def _start(self) -> bool:
        """Before the list."""
        found = _START.match(self._buffer, self._at)
        if found is None:
            if len(self._buffer) - self._at > MAX_START_BYTES:
                raise _not_a_batch('does not begin with {"requests": [')
            return False
        return self._go_on(self._first, found.end())

    def _first(self) -> bool:
        """Before the first item, or the list's end."""
        byte = self._byte()
        return self._go_on(self._end, self._at + 1) if byte == b"]" else self._begin(byte)

    def _next(self) -> bool:
        """Before an item."""
        return self._begin(self._byte())

    def _begin(self, byte: bytes) -> bool:
        if not byte:
            return False
        if byte in b",]}":
            raise _not_a_batch(f"has nothing where item {len(self.items)} should be")
        if len(self.items) == MAX_ITEMS:
            raise BatchTooLong(limit=MAX_ITEMS)
        plain = _ITEM.match(self._buffer, self._at)
        if plain is not None:
            self.items.append(_decoded(_PARTS[plain[1]], plain[2]))
            return self._go_on(self._after, plain.end())
        self._text.clear()
        self._too_large = self._in_text = False
        self._depth = self._parts = 0
        return self._go_on(self._item, self._at)

    def _item(self) -> bool:
        """In an item that is no plain one, or not here as a whole: find its end."""
        while True:
            self._take((_IN_TEXT if self._in_text else _BETWEEN).match(self._buffer, self._at))
            byte = self._buffer[self._at : self._at + 1]
            if byte in (b"", b"\\"):
                return False
            if self._in_text or byte == b'"':
                self._in_text = not self._in_text
            elif byte in b"[{":
                self._depth += 1
            elif self._depth == 0:
                # A closing brace that nothing opened is told of when the text is read.
                self._close()
                return self._go_on(self._after, self._at)
            elif byte in b"]}":
                self._depth -= 1
            self._parts += 1
            if self._parts > MAX_ITEM_PARTS:
                raise _not_a_batch(f"has an item {len(self.items)} of too many parts")
            self._take(None)

    def _after(self) -> bool:
        """Behind an item."""
        byte = self._byte()
        if byte not in (b"", b",", b"]"):
            raise _not_a_batch(f"is no JSON behind item {len(self.items) - 1}")
        return bool(byte) and self._go_on(self._next if byte == b"," else self._end, self._at + 1)

    def _end(self) -> bool:
        """Behind the list."""
        byte = self._byte()
        if byte not in (b"", b"}"):
            raise _not_a_batch("has something behind the list of requests")
        return bool(byte) and self._go_on(self._done, self._at + 1)

    def _done(self) -> bool:
        """Behind all."""
        if self._byte():
            raise _not_a_batch("has something behind its end")
        return False

    def _go_on(self, step: Step, at: int) -> bool:
        self._step, self._at = step, at
        return True

    def _byte(self) -> bytes:
        """The next one that is no space, empty where none has come yet."""
        found = _WHITE.match(self._buffer, self._at)
        self._at = found.end() if found else self._at
        return self._buffer[self._at : self._at + 1]

    def _take(self, found: re.Match[bytes] | None) -> None:
        """Move what was found, or one byte, to the text of the item, as far as that may be long."""
        end = self._at + 1 if found is None else found.end()
        if len(self._text) + end - self._at > MAX_ITEM_TEXT:
            self._too_large = True
        if self._too_large:
            self._text.clear()
        else:
            self._text += self._buffer[self._at : end]
        self._at = end

    def _close(self) -> None:
        large = BatchItemTooLarge(limit=MAX_ITEM_BYTES)
        self.items.append(large if self._too_large else _read(bytes(self._text), len(self.items)))


def _read(text: bytes, number: int) -> Read:
    """The item that a text of bounded length and depth is; raises ``InvalidRequest`` where it is no JSON."""
    try:
        # As pairs: of two members of one name neither is forgotten.
        value = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=tuple,
            parse_int=_no_matter,
            parse_float=_no_matter,
            parse_constant=_no_constant,
        )
    except ValueError:
        raise _not_a_batch(f"is no JSON in item {number}") from None
    match value:
        case ((("manifest" | "head") as part, str(encoded)),) if isinstance(value, tuple):
            return _decoded(Part(part), encoded.encode("utf-8", "replace"))
    return BatchItemInvalid(problem="has another form than one text named manifest or head")


def _no_matter(_digits: str) -> None:
    """Any number: no item holds one."""


def _no_constant(_text: str) -> None:
    raise ValueError("NaN and Infinity are no JSON")


def _decoded(part: Part, encoded: bytes) -> Read:
    try:
        content = binascii.a2b_base64(encoded)
    except binascii.Error:
        content = b""
    if binascii.b2a_base64(content, newline=False) != encoded:
        return BatchItemInvalid(problem=f"has a {part.value} that is not standard base64 with padding, on one line")
    if not content:
        return BatchItemInvalid(problem=f"has a {part.value} without bytes")
    if len(content) > MAX_ITEM_BYTES:
        return BatchItemTooLarge(limit=MAX_ITEM_BYTES)
    return BatchItem(part, content)


def _not_a_batch(what: str) -> InvalidRequest:
    return InvalidRequest(problems=(f"the body: {what}",))
