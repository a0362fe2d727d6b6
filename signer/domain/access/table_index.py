"""Tables of conditions of many rules, told apart by what they ask for instead of judged one by one.

1. What is found here decides nothing: it is which tables are certainly not met, so that nobody has to ask them. The
   others are judged as they always are. So a verdict, its rule and its sentence are those of the conditions.
2. A table is refuted where one of its members certainly is, whatever too little was shown of: as ``Every`` judges.
3. Of ``any`` every table has to be refuted, of ``all`` one. What ``not`` says is left to be judged.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate
from operator import or_
from typing import Any

from signer.domain.access.combinations import All, Either, Every
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
from signer.domain.requests import ArtifactSeen, Checked, SigningRequest

Tables = Iterable[tuple[int, Every]]
Numbered = list[tuple[int, Any]]


class TableIndex:
    """The tables of many rules, by the rules' numbers; see ``pattern_index`` for marks."""

    __slots__ = ("_all", "_any", "_bounds", "_findings", "_hours", "_shown", "_sizes")

    def __init__(self, tables: Tables) -> None:
        found: dict[type, Numbered] = {}
        for number, table in tables:
            for condition in table.conditions:
                found.setdefault(type(condition), []).append((number, condition))
        self._bounds = _bounds(found)
        self._shown = _Shown(found.get(Seen, []))
        self._sizes = _Sizes(found.get(Size, []))
        self._hours = _Times(found.get(Hours, []))
        self._findings: dict[Any, int] = {}
        for number, condition in found.get(WithoutFindings, []):
            for code in condition.codes:
                self._findings[code] = self._findings.get(code, 0) | 1 << number
        self._all = _places(found.get(All, []))
        # One of each table, as they are written; of a further one nothing is found, so that it is judged.
        self._any = _places(list(dict(reversed(found.get(Either, []))).items()))

    def refuted(self, seen: Circumstances) -> int:
        """Marks of the tables of which something is certainly not met."""
        refuted = self._hours.refuted(seen)
        request = seen.request
        if request is not None:
            refuted |= self._shown.refuted(request.checked) | self._by_content(request)
        for _, index in self._all:
            refuted |= index.refuted(seen)
        return refuted | self._of_all_in_any(seen)

    def not_shown(self, request: SigningRequest | None) -> int:
        """Marks of the tables that ask to be shown more: they are not met, whether or not that is certain."""
        return self._shown.beyond(None if request is None else request.checked)

    def _by_content(self, request: SigningRequest) -> int:
        refuted = 0
        for values, index in self._bounds:
            different = values.of(request)
            if different is not None:
                refuted |= _outside(index, different)
        if request.header is not None:
            for code in request.findings:
                refuted |= self._findings.get(code, 0)
        if isinstance(request, ArtifactSeen):
            refuted |= self._sizes.below(sum(request.sizes.values()))
        return refuted

    def _of_all_in_any(self, seen: Circumstances) -> int:
        """Marks of those whose every table of ``any`` is refuted."""
        if not self._any:
            return 0
        # The first place has a table of each of them; a place that one does not have stands for nothing.
        refuted = self._any[0][0]
        for marks, index in self._any:
            refuted &= index.refuted(seen) | ~marks
            if not refuted:
                break
        return refuted


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


def _bounds(found: Mapping[type, Numbered]) -> list[tuple[Values, PatternIndex]]:
    gathered: dict[Values, Numbered] = {}
    for kind in (Listed, Attributes):
        for number, condition in found.get(kind, []):
            for values, patterns in condition.bounds:
                gathered.setdefault(values, []).append((number, patterns))
    return [(values, PatternIndex(each)) for values, each in gathered.items()]


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
