"""Conditions as one: all of a table, any of several tables, or not what a table says.

What is not known stays so: the opposite of what cannot be told cannot be told either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from signer.domain.access.conditions import Circumstances, Condition, Hours, Unmet

MAX_REASONS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """A table: all of its members are demanded."""

    conditions: tuple[Condition, ...]

    def judge(self, seen: Circumstances) -> Unmet | None:
        """What is certainly not met decides; else what is not known."""
        not_known = None
        for condition in self.conditions:
            unmet = condition.judge(seen)
            if unmet is not None and not unmet.unknown:
                return unmet
            not_known = not_known or unmet
        return not_known

    @property
    def document(self) -> dict[str, Any]:
        """The members of all."""
        members: dict[str, Any] = {}
        for condition in self.conditions:
            members |= condition.document
        return members


@dataclass(frozen=True, slots=True, kw_only=True)
class All:
    """``all``: every one of the tables."""

    tables: tuple[Every, ...]

    def judge(self, seen: Circumstances) -> Unmet | None:
        """As one table."""
        unmet = Every(conditions=self.tables).judge(seen)
        return None if unmet is None else _inside("all", unmet)

    @property
    def document(self) -> dict[str, Any]:
        """A list of tables."""
        return {"all": [table.document for table in self.tables]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    """``any``: at least one of the tables."""

    tables: tuple[Every, ...]

    def judge(self, seen: Circumstances) -> Unmet | None:
        """Not met where none of them can be."""
        found = []
        for table in self.tables:
            unmet = table.judge(seen)
            if unmet is None:
                return None
            found.append(unmet)
        reasons = "; ".join(f"{unmet.condition}: {unmet.sentence}" for unmet in found)
        return Unmet(
            condition="any",
            sentence=f"none holds: {reasons[:MAX_REASONS]}",
            unknown=any(unmet.unknown for unmet in found),
        )

    @property
    def document(self) -> dict[str, Any]:
        """A list of tables."""
        return {"any": [table.document for table in self.tables]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """``not``: the table does not hold."""

    table: Every

    def judge(self, seen: Circumstances) -> Unmet | None:
        """Met where the table certainly is not."""
        unmet = self.table.judge(seen)
        if unmet is None:
            return Unmet(condition="not", sentence=f"this must not be so: {', '.join(self.table.document)}")
        return _inside("not", unmet) if unmet.unknown else None

    @property
    def document(self) -> dict[str, Any]:
        """A table."""
        return {"not": self.table.document}


def looks_at_content(condition: Condition) -> bool:
    """Whether it asks of what is signed, itself or in a table inside of it; the moment is no part of that."""
    match condition:
        case Every(conditions=inside) | All(tables=inside) | Either(tables=inside):
            return any(map(looks_at_content, inside))
        case Not(table=table):
            return looks_at_content(table)
    return not isinstance(condition, Hours)


def _inside(place: str, unmet: Unmet) -> Unmet:
    return Unmet(condition=f"{place}.{unmet.condition}", sentence=unmet.sentence, unknown=unmet.unknown)
