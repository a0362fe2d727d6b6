"""The rules of a revision, found by whom and what they are about, and by what they ask for.

Made once for each revision. Rules are their numbers in the order in which they are written; several of them are marks
(see ``pattern_index``). What thousands of rules say of others, of other keys or of other artifacts costs a decision
next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from signer.domain.access.actions import KEY_ACTIONS, Action
from signer.domain.access.combinations import Every
from signer.domain.access.conditions import Circumstances
from signer.domain.access.pattern_index import PatternIndex
from signer.domain.access.patterns import Patterns
from signer.domain.access.rollback import VersionDemand, fits_no_floors, source_value
from signer.domain.access.table_index import TableIndex
from signer.domain.access.versions import Order, rank
from signer.domain.keys import is_name
from signer.domain.requests import AnyRequest
from verifier import Header

MAX_KEPT = 256
# So few rules are asked themselves sooner than they are told apart.
FEW = 4


class Indexed(Protocol):
    """What of a rule it is found by."""

    @property
    def principals(self) -> tuple[str, ...]: ...
    @property
    def actions(self) -> frozenset[Action]: ...
    @property
    def keys(self) -> Patterns: ...
    @property
    def when(self) -> Every: ...
    @property
    def version(self) -> VersionDemand | None: ...


class RuleIndex:
    """Marks of rules, by what is asked."""

    __slots__ = ("_actions", "_kept", "_keys", "_principals", "_tables", "_versions")

    def __init__(self, rules: Sequence[Indexed]) -> None:
        self._principals: dict[str, int] = {}
        self._actions: dict[Action, int] = {}
        for number, rule in enumerate(rules):
            mark = 1 << number
            for principal in rule.principals:
                self._principals[principal] = self._principals.get(principal, 0) | mark
            for action in rule.actions:
                self._actions[action] = self._actions.get(action, 0) | mark
        self._keys = PatternIndex((number, rule.keys) for number, rule in enumerate(rules))
        self._kept: dict[str, int] = {}
        self._tables = TableIndex((number, rule.when) for number, rule in enumerate(rules))
        self._versions = _Versions(
            (number, rule.version) for number, rule in enumerate(rules) if rule.version is not None
        )

    def about(self, principals: Iterable[str], action: Action) -> int:
        """The rules about one of the principals and the action, whatever the key."""
        marks = 0
        for principal in principals:
            marks |= self._principals.get(principal, 0)
        return marks & self._actions.get(action, 0)

    def about_key(self, key: str) -> int:
        """The rules about the key of this name."""
        marks = self._kept.get(key)
        if marks is None:
            marks = self._keys.fitting(key)
            # Names come from outside: what is kept of them is bounded.
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            if is_name(key):
                self._kept[key] = marks
        return marks

    def with_key(self, principals: Iterable[str], action: Action, key: str | None) -> int:
        """The rules about one of the principals, the action, and the key where it is done with one."""
        marks = self.about(principals, action)
        if action not in KEY_ACTIONS:
            return marks
        return marks & self.about_key(key) if key is not None and marks else 0

    def not_refuted(self, marks: int, seen: Circumstances) -> int:
        """Those of which nothing that they ask for is certainly not met."""
        if marks.bit_count() <= FEW:
            return marks
        return marks & ~self._tables.refuted(seen)

    def perhaps_met(self, marks: int, seen: Circumstances) -> int:
        """Those of which all that they ask for may be met by what was shown."""
        if marks.bit_count() <= FEW:
            return marks
        marks &= ~self._tables.not_shown(seen.request)
        marks = self.not_refuted(marks, seen)
        return marks if marks.bit_count() <= FEW else marks & ~self._versions.unmet(seen.request)


class _Versions:
    """Rules by what they ask of a version."""

    __slots__ = ("_marks", "_sources")

    def __init__(self, demands: Iterable[tuple[int, VersionDemand]]) -> None:
        self._marks = 0
        # By where the version stands, then by the length of what is before it, then by that.
        self._sources: dict[str, dict[int, dict[str, dict[Order, int]]]] = {}
        for number, demand in demands:
            self._marks |= 1 << number
            lengths = self._sources.setdefault(demand.source, {})
            orders = lengths.setdefault(len(demand.prefix), {}).setdefault(demand.prefix, {})
            orders[demand.order] = orders.get(demand.order, 0) | 1 << number

    def unmet(self, request: AnyRequest | None) -> int:
        """Marks of those for which there is no version in what was shown."""
        header = request.header if request is not None else None
        if header is None or fits_no_floors(header):
            return self._marks
        return self._marks & ~self._found(header) if self._marks else 0

    def _found(self, header: Header) -> int:
        found = 0
        for source, lengths in self._sources.items():
            value = source_value(source, header)
            if value is not None:
                for length, prefixes in lengths.items():
                    for order, marks in prefixes.get(value[:length], {}).items():
                        if _is_version(order, value[length:]):
                            found |= marks
        return found


def _is_version(order: Order, text: str) -> bool:
    try:
        rank(order, text)
    except ValueError:
        return False
    return True
