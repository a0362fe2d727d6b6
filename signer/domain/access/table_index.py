"""Tables of conditions of many rules, told apart by what they ask for instead of judged one by one.

1. What is found here decides nothing: it is which tables are certainly not met, so that nobody has to ask them. The
   others are judged as they always are. So a verdict, its rule and its sentence are those of the conditions.
2. A table is refuted where one of its members certainly is, whatever too little was shown of: as ``Every`` judges.
3. Of ``any`` every table has to be refuted, of ``all`` one. What ``not`` says is refuted where its table is certainly
   met: so what is met is found too, and a condition that is not known here counts as not met.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from operator import or_
from typing import Any

from signer.domain.access.combinations import All, Either, Every, Not
from signer.domain.access.conditions import (
    MAX_VALUES,
    Attributes,
    Circumstances,
    Hours,
    Listed,
    Seen,
    Size,
    Values,
    WithoutFindings,
)
from signer.domain.access.pattern_index import PatternIndex
from signer.domain.requests import AnyRequest, ArtifactSeen, Checked
from verifier import FindingCode

Tables = Iterable[tuple[int, Every]]
Numbered = list[tuple[int, Any]]
JUDGED = frozenset({All, Attributes, Either, Hours, Listed, Not, Seen, Size, WithoutFindings})


class TableIndex:
    """The tables of many rules, by the rules' numbers; see ``pattern_index`` for marks."""

    __slots__ = ("_all", "_any", "_bounds", "_findings", "_hours", "_not", "_shown", "_sizes", "_unjudged")

    def __init__(self, tables: Tables) -> None:
        found: dict[type, Numbered] = {}
        for number, table in tables:
            for condition in table.conditions:
                found.setdefault(type(condition), []).append((number, condition))
        gathered = _bounds(found)
        self._bounds = [(values, PatternIndex(each)) for values, each in gathered.items()]
        self._shown = _Shown(found.get(Seen, []))
        self._sizes = _Sizes(found.get(Size, []))
        self._hours = _Times(found.get(Hours, []))
        self._findings = _Findings(found.get(WithoutFindings, []))
        self._all = _places(found.get(All, []))
        either, further = _one_each(found.get(Either, []))
        self._any = _places(either)
        opposites, others = _one_each(found.get(Not, []))
        self._not = (
            _marks(number for number, _ in opposites),
            TableIndex((number, condition.table) for number, condition in opposites) if opposites else None,
        )
        # Of two bounds of one table on the same values the index tells only that one of them is kept.
        twice = [again for each in gathered.values() for again in _one_each(each)[1]]
        unknown = [each for kind, conditions in found.items() if kind not in JUDGED for each in conditions]
        self._unjudged = _marks(number for number, _ in (*unknown, *twice, *further, *others))

    def refuted(self, seen: Circumstances) -> int:
        """Marks of the tables of which something is certainly not met."""
        refuted = self._hours.refuted(seen)
        request = seen.request
        if request is not None:
            refuted |= self._shown.refuted(request.checked) | self._by_content(request)
        for _, index in self._all:
            refuted |= index.refuted(seen)
        marks, opposite = self._not
        if opposite is not None:
            refuted |= marks & ~opposite.unmet(seen)
        return refuted | self._of_all_in_any(lambda index: index.refuted(seen))

    def unmet(self, seen: Circumstances) -> int:
        """Marks of the tables that are not certainly met: what is refuted, and what too little was shown of."""
        request = seen.request
        unmet = self._unjudged | self._hours.refuted(seen) | self.not_shown(request)
        unmet |= self._findings.unmet(request) | self._sizes.unmet(request)
        for values, bounds in self._bounds:
            shown = values.of(request) if request is not None else None
            unmet |= bounds.bounded if shown is None else _outside(bounds, shown)
        for _, index in self._all:
            unmet |= index.unmet(seen)
        marks, opposite = self._not
        if opposite is not None:
            unmet |= marks & ~opposite.refuted(seen)
        return unmet | self._of_all_in_any(lambda index: index.unmet(seen))

    def not_shown(self, request: AnyRequest | None) -> int:
        """Marks of the tables that ask to be shown more: they are not met, whether or not that is certain."""
        return self._shown.beyond(None if request is None else request.checked)

    def _by_content(self, request: AnyRequest) -> int:
        refuted = self._findings.refuted(request)
        for values, index in self._bounds:
            different = values.of(request)
            if different is not None:
                refuted |= _outside(index, different)
        if isinstance(request, ArtifactSeen):
            refuted |= self._sizes.below(sum(request.sizes.values()))
        return refuted

    def _of_all_in_any(self, of: Callable[[TableIndex], int]) -> int:
        """Marks of those of which ``of`` marks every table of ``any``."""
        if not self._any:
            return 0
        # The first place has a table of each of them; a place that one does not have stands for nothing.
        found = self._any[0][0]
        for marks, index in self._any:
            found &= of(index) | ~marks
            if not found:
                break
        return found


def _one_each(found: Numbered) -> tuple[Numbered, Numbered]:
    """The first condition of each table, as they are written, and the further ones: of those nothing is found."""
    first = dict(reversed(found))
    ones = list(first.items())
    return ones, [(number, condition) for number, condition in found if first[number] is not condition]


def _outside(index: PatternIndex, values: Iterable[str | None]) -> int:
    """Marks of the rules that bound these values and do not have one of them in their bounds."""
    different = dict.fromkeys(values)
    if len(different) > MAX_VALUES:
        return index.bounded
    inside = index.bounded
    for value in different:
        inside &= index.fitting(value) if value is not None else 0
        if not inside:
            break
    return index.bounded & ~inside


def _bounds(found: Mapping[type, Numbered]) -> dict[Values, Numbered]:
    gathered: dict[Values, Numbered] = {}
    for kind in (Listed, Attributes):
        for number, condition in found.get(kind, []):
            for values, patterns in condition.bounds:
                gathered.setdefault(values, []).append((number, patterns))
    return gathered


def _places(found: Numbered) -> list[tuple[int, TableIndex]]:
    """The tables of ``any`` or ``all``, those that stand first in one index, then those that stand second."""
    places: list[list[tuple[int, Every]]] = []
    for number, condition in found:
        for place, table in enumerate(condition.tables):
            if place == len(places):
                places.append([])
            places[place].append((number, table))
    return [(_marks(number for number, _ in place), TableIndex(place)) for place in places]


def _marks(found: Iterable[int]) -> int:
    marks = 0
    for number in found:
        marks |= 1 << number
    return marks


class _Shown:
    """Rules by how much has to be shown."""

    __slots__ = ("_alone", "_least")

    def __init__(self, found: Numbered) -> None:
        self._least: dict[Checked, int] = {}
        self._alone: dict[Checked, int] = {}
        for number, condition in found:
            self._least[condition.least] = self._least.get(condition.least, 0) | 1 << number
            if not condition.guards:
                self._alone[condition.least] = self._alone.get(condition.least, 0) | 1 << number

    def refuted(self, checked: Checked) -> int:
        """Of those that ask for nothing else of what is shown."""
        return _beyond(self._alone, checked)

    def beyond(self, checked: Checked | None) -> int:
        """Of all."""
        return _beyond(self._least, checked)


def _beyond(least: Mapping[Checked, int], checked: Checked | None) -> int:
    marks = 0
    for each, of_them in least.items():
        if checked is None or checked < each:
            marks |= of_them
    return marks


class _Findings:
    """Rules by the findings that there may not be."""

    __slots__ = ("_by_code", "_least")

    def __init__(self, found: Numbered) -> None:
        self._by_code: dict[FindingCode, int] = {}
        self._least: dict[Checked, int] = {}
        for number, condition in found:
            self._least[condition.shown_by] = self._least.get(condition.shown_by, 0) | 1 << number
            for code in condition.codes:
                self._by_code[code] = self._by_code.get(code, 0) | 1 << number

    def refuted(self, request: AnyRequest) -> int:
        """Of those of which one was found."""
        marks = 0
        if request.header is not None:
            for code in request.findings:
                marks |= self._by_code.get(code, 0)
        return marks

    def unmet(self, request: AnyRequest | None) -> int:
        """Those, and those of which too little was shown."""
        if request is None or request.header is None:
            return _beyond(self._least, None)
        return self.refuted(request) | _beyond(self._least, request.checked)


class _Sizes:
    """Rules by the most bytes that they allow."""

    __slots__ = ("_marks", "_most")

    def __init__(self, found: Numbered) -> None:
        ordered = sorted(((condition.most, number) for number, condition in found))
        self._most: list[int] = [most for most, _ in ordered]
        self._marks: list[int] = [0, *accumulate((1 << number for _, number in ordered), or_)]

    def below(self, size: int) -> int:
        """Of those that allow fewer."""
        return self._marks[bisect_left(self._most, size)]

    def unmet(self, request: AnyRequest | None) -> int:
        """Those; all where sizes were not shown."""
        return self.below(sum(request.sizes.values())) if isinstance(request, ArtifactSeen) else self._marks[-1]


class _Times:
    """Rules by times of the week; what was found is kept for the minute in which it holds."""

    __slots__ = ("_by_hours", "_kept", "_zones")

    def __init__(self, found: Numbered) -> None:
        self._by_hours: dict[Hours, int] = {}
        for number, condition in found:
            self._by_hours[condition] = self._by_hours.get(condition, 0) | 1 << number
        self._zones = tuple({condition.zone for condition in self._by_hours})
        self._kept: tuple[tuple[tuple[int, int, int], ...], int] | None = None

    def refuted(self, seen: Circumstances) -> int:
        """Of those that do not hold at this moment."""
        if not self._by_hours:
            return 0
        local = tuple(seen.at.astimezone(zone) for zone in self._zones)
        minute = tuple((here.weekday(), here.hour, here.minute) for here in local)
        kept = self._kept
        if kept is not None and kept[0] == minute:
            return kept[1]
        refuted = 0
        for condition, marks in self._by_hours.items():
            if condition.judge(seen) is not None:
                refuted |= marks
        # Threads that come at the same time write the same; the pair is replaced as a whole.
        self._kept = minute, refuted
        return refuted
