"""Patterns of rules and scopes: the whole text fits, or it does not.

1. ``*`` stands for any characters within one segment, none too; ``/`` and ``:`` separate segments. ``**`` stands for
   any characters at all. Everything else stands for itself; there are no regular expressions.
2. A pattern is written in ASCII, without what means something in other languages of patterns: nobody takes one for
   another, and no letter passes for one that looks like it.
3. Text with an unprintable character (a newline, a zero-width space) fits no pattern.
4. Linear in the text, whatever it holds: each character moves a set of places in the pattern, kept as bits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

WILD, ANYTHING = "*", "**"
SEPARATORS = frozenset("/:")
MAX_PATTERN_CHARACTERS = 256
_WRITTEN = re.compile(r"[A-Za-z0-9 !#%&+,\-./:=@_~*]+")
_PIECES = re.compile(r"\*\*|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that was read. ``text``: as it is written. Equal where that is."""

    text: str
    _prefix: str = field(init=False, repr=False, compare=False)
    _suffix: str = field(init=False, repr=False, compare=False)
    _inner: str = field(init=False, repr=False, compare=False)
    _places: dict[str, int] | None = field(init=False, repr=False, compare=False)
    _wild: int = field(init=False, repr=False, compare=False, default=0)
    _anything: int = field(init=False, repr=False, compare=False, default=0)
    _end: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        pieces = _pieces(self.text)
        places: dict[str, int] = {}
        wild = anything = 0
        for number, piece in enumerate(pieces):
            if piece == ANYTHING:
                anything |= 1 << number
            elif piece == WILD:
                wild |= 1 << number
            else:
                places[piece] = places.get(piece, 0) | 1 << number
        set_once = object.__setattr__
        prefix, *inner = self.text.split(WILD)
        set_once(self, "_prefix", prefix)
        set_once(self, "_suffix", inner.pop() if inner else prefix)
        set_once(self, "_inner", max(inner, key=len, default=""))
        set_once(self, "_places", places if wild or anything else None)
        set_once(self, "_wild", wild)
        set_once(self, "_anything", anything)
        set_once(self, "_end", 1 << len(pieces))

    @property
    def is_literal(self) -> bool:
        """Whether it fits its own text alone."""
        return self._places is None

    @property
    def ends(self) -> tuple[str, str]:
        """What stands before its first wild card, and behind its last one."""
        return self._prefix, self._suffix

    @property
    def inner(self) -> str:
        """The longest text between two of its wild cards; empty where there is none."""
        return self._inner

    @property
    def fits_all(self) -> bool:
        """Whether it fits whatever is printable."""
        return self.text == ANYTHING

    def fits(self, text: str) -> bool:
        """Whether the whole text fits."""
        if self._places is None:
            return text == self.text
        # What has to stand in the text at all is looked for first: most texts end here.
        if not text.startswith(self._prefix) or not text.endswith(self._suffix) or self._inner not in text:
            return False
        if not text.isprintable():
            return False
        wild, anything = self._wild, self._anything
        skipped = wild | anything
        # One place for the beginning; a wild piece may stand for nothing, so that the place after it holds as well.
        held = 1 << len(self._prefix)
        held |= (held & skipped) << 1
        for character in text[len(self._prefix) :]:
            stays = anything if character in SEPARATORS else skipped
            held = (held & self._places.get(character, 0)) << 1 | held & stays
            if not held:
                return False
            held |= (held & skipped) << 1
        return bool(held & self._end)


@dataclass(frozen=True, slots=True)
class Patterns:
    """Several, of which one has to fit, in the order in which they are written."""

    all: tuple[Pattern, ...]
    _literal: frozenset[str] = field(init=False, repr=False, compare=False)
    _wild: tuple[Pattern, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        literal = frozenset(pattern.text for pattern in self.all if pattern.is_literal)
        object.__setattr__(self, "_literal", literal)
        object.__setattr__(self, "_wild", tuple(pattern for pattern in self.all if not pattern.is_literal))

    @classmethod
    def of(cls, *texts: str) -> Patterns:
        """Read each; raises ``ValueError``."""
        return cls(tuple(map(Pattern, texts)))

    @property
    def texts(self) -> list[str]:
        """As they are written."""
        return [pattern.text for pattern in self.all]

    @property
    def literal(self) -> frozenset[str]:
        """Those without a wild card."""
        return self._literal

    @property
    def wild(self) -> tuple[Pattern, ...]:
        """Those with one."""
        return self._wild

    def fit(self, text: str) -> bool:
        """Whether the whole text fits one of them."""
        return text in self._literal or any(pattern.fits(text) for pattern in self._wild)


def _pieces(text: str) -> list[str]:
    """The pieces of a pattern; raises ``ValueError``."""
    if not 0 < len(text) <= MAX_PATTERN_CHARACTERS:
        raise ValueError(f"must have 1 to {MAX_PATTERN_CHARACTERS} characters")
    if not _WRITTEN.fullmatch(text) or text != text.strip():
        raise ValueError("must be letters, digits, inner spaces and !#%&+,-./:=@_~ with the wild cards * and **")
    if "***" in text:
        raise ValueError("must not have more than two asterisks together")
    return _PIECES.findall(text)
