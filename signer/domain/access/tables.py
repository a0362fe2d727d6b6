"""Reading a table of a policy member by member, strictly: what is wrong is gathered, with its place."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeVar

from signer.domain.access.patterns import Patterns

MAX_LIST = 1000
MAX_PROBLEMS = 50
MAX_TEXT = 256
Word = TypeVar("Word", bound=StrEnum)


class Problems:
    """What is wrong with a text, each with its place."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def add(self, place: str, sentence: str) -> None:
        """One more; the list ends somewhere."""
        if len(self.sentences) < MAX_PROBLEMS:
            self.sentences.append(f"{place}: {sentence}" if place else sentence)


class Table:
    """One table, whose members are taken out by name. What is left at the end is not known."""

    def __init__(self, value: object, place: str, problems: Problems) -> None:
        self.place = place
        self.problems = problems
        self._members: dict[str, Any] = {}
        if isinstance(value, dict):
            self._members = dict(value)
        else:
            self.wrong("", "must be a table")

    def wrong(self, member: str, sentence: str) -> None:
        """Something is wrong with a member, or with the table itself."""
        self.problems.add(self.place_of(member), sentence)

    def place_of(self, member: str) -> str:
        """Where a member stands."""
        return ".".join(part for part in (self.place, member) if part)

    def has(self, member: str) -> bool:
        """Whether the member is there and was not taken yet."""
        return member in self._members

    def is_list(self, member: str) -> bool:
        """Whether the member is a list."""
        return isinstance(self._members.get(member), list)

    def names(self) -> tuple[str, ...]:
        """The names of all members that were not taken yet, sorted."""
        return tuple(sorted(self._members))

    def take(self, member: str) -> Any:
        """The member as TOML has it; None where it is absent."""
        return self._members.pop(member, None)

    def text(self, member: str, *, default: str | None = None) -> str:
        """A text of 1 to ``MAX_TEXT`` printable characters; where there is a default, an empty one as well."""
        value: object = self.take(member)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
            self.wrong(member, f"must be a text of at most {MAX_TEXT} printable characters")
            return ""
        if not value and default is None:
            self.wrong(member, "must not be empty")
        return value

    def number(self, member: str, *, least: int, most: int = (1 << 63) - 1) -> int:
        """A whole number."""
        value = self.take(member)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong(member, f"must be a whole number, at least {least}")
            return least
        return value

    def flag(self, member: str) -> bool:
        """True or false; false where it is absent."""
        value = self.take(member)
        if value not in (None, True, False) or (value is not None and not isinstance(value, bool)):
            self.wrong(member, "must be true or false")
        return value is True

    def word(self, member: str, words: type[Word], *, default: Word | None = None) -> Word:
        """One of the words."""
        value = self.take(member)
        if value is None and default is not None:
            return default
        if value not in tuple(words):
            self.wrong(member, f"must be one of {', '.join(words)}")
            return default or next(iter(words))
        return words(value)

    def texts(self, member: str) -> tuple[str, ...]:
        """A list of different texts, not empty."""
        value = self.take(member)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.wrong(member, "must be a list of texts")
            return ()
        if not 0 < len(value) <= MAX_LIST:
            self.wrong(member, f"must have 1 to {MAX_LIST} entries")
        elif len(set(value)) != len(value):
            self.wrong(member, "must not have an entry twice")
        return tuple(value)

    def words(self, member: str, words: Iterable[str]) -> tuple[str, ...]:
        """A list of different words out of these."""
        known = tuple(words)
        found = self.texts(member)
        for text in found:
            if text not in known:
                self.wrong(member, f"{shown(text)} is not one of {', '.join(known)}")
        return tuple(text for text in known if text in found)

    def patterns(self, member: str) -> Patterns:
        """A list of patterns, in the order of their texts."""
        found = sorted(self.texts(member))
        for text in found:
            try:
                Patterns.of(text)
            except ValueError as error:
                self.wrong(member, f"{shown(text)} {error}")
                return Patterns(())
        return Patterns.of(*found)

    def tables(self, member: str) -> list[object]:
        """A list of tables, not empty."""
        value = self.take(member)
        if not isinstance(value, list) or not 0 < len(value) <= MAX_LIST:
            self.wrong(member, f"must be a list of 1 to {MAX_LIST} tables")
            return []
        return value

    def end(self) -> None:
        """Nothing else is known."""
        for member in self._members:
            self.wrong(shown(member), "is not known here")


def shown(text: str) -> str:
    """A text of the policy in a sentence, bounded and printable."""
    cut = text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
    return cut if cut.isprintable() else ascii(cut)
