"""Reading ``when``: closed, and what looks at content says first how much of it has to be shown.

1. A condition on content stands beside ``checked``, or inside a table that has it, with as much as it needs: ``files``
   the manifest, ``size`` and some findings the whole artifact, everything else the head.
2. ``checked`` inside ``not`` guards nothing: what is not shown must not pass for what is not so.
3. ``version`` stands in the outermost table alone: a version that counts in one case out of two is no floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from signer.domain.access.combinations import All, Either, Every, Not
from signer.domain.access.conditions import (
    OF_SIGNATURES,
    Attributes,
    Condition,
    ContentMember,
    Hours,
    Listed,
    Seen,
    Size,
    WithoutFindings,
    shown_by,
)
from signer.domain.access.patterns import Patterns
from signer.domain.access.rollback import ARTIFACT_NAME, PROVIDES, VersionDemand
from signer.domain.access.tables import Table
from signer.domain.access.versions import Order
from signer.domain.requests import Checked
from signer.domain.weeks import Window
from verifier import FindingCode

MAX_DEPTH = 4
MAX_TABLES = 16
FINDINGS = tuple(code.value for code in FindingCode if code not in OF_SIGNATURES)
# They have members of their own; no attribute of a payload is named so.
_NO_PROVIDES = frozenset({"artifact_name", "artifact_group", "device_type"})
_NO_DEPENDS = frozenset({"device_type"})


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """What was read. ``looks_at_content``: it asks of what is signed, so that it can be asked of signing alone."""

    conditions: Every
    version: VersionDemand | None
    looks_at_content: bool


def read_when(table: Table, zone: ZoneInfo) -> When:
    """Read ``when``, and tell the table's problems what is wrong."""
    reader = _Reader(zone)
    version_text = table.take("version") if table.has("version") else None
    conditions = reader.read(table, shown=None, depth=0, needs_head=version_text is not None)
    version = None
    if version_text is not None:
        version = _version(Table(version_text, table.place_of("version"), table.problems))
    return When(conditions=conditions, version=version, looks_at_content=reader.looks_at_content or version is not None)


class _Reader:
    """Reads one ``when``, table in table."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self.looks_at_content = False

    def read(
        self, table: Table, *, shown: Checked | None, depth: int, needs_head: bool = False, inverted: bool = False
    ) -> Every:
        """One table. ``shown``: as much as a table around it has asked to be shown; None: nothing."""
        checked = self._checked(table)
        if checked is not None and not inverted:
            shown = checked if shown is None else max(shown, checked)
        if needs_head:
            _demand(table, "version", shown, Checked.HEAD)
        found: list[Condition] = [*self._content(table, shown)]
        if table.has("hours"):
            found.append(self._hours(table))
        found += self._nested(table, shown, depth, inverted=inverted)
        if checked is not None:
            self.looks_at_content = True
            # Whatever stands beside it and looks at content cannot be told without it.
            guards = needs_head or any(not isinstance(condition, Hours) for condition in found)
            found.insert(0, Seen(least=checked, guards=guards))
        table.end()
        if not found and not needs_head:
            table.wrong("", "must ask for something")
        return Every(conditions=tuple(found))

    def _checked(self, table: Table) -> Checked | None:
        if not table.has("checked"):
            return None
        value = table.take("checked")
        if value not in (words := [each.value for each in Checked if each is not Checked.BLIND]):
            table.wrong("checked", f"must be one of {', '.join(words)}")
            return Checked.ARTIFACT
        return Checked(value)

    def _content(self, table: Table, shown: Checked | None) -> list[Condition]:
        found: list[Condition] = []
        for member in ContentMember:
            if table.has(member):
                _demand(table, member, shown, shown_by(member))
                found.append(Listed(member=member, patterns=_values(table, member)))
        for name in ("provides", "depends"):
            if table.has(name):
                _demand(table, name, shown, Checked.HEAD)
                found.append(_attributes(table, name))
        if table.has("size"):
            _demand(table, "size", shown, Checked.ARTIFACT)
            found.append(Size(most=table.number("size", least=1)))
        if table.has("findings"):
            codes = tuple(map(FindingCode, table.words("findings", FINDINGS)))
            condition = WithoutFindings(codes=codes)
            _demand(table, "findings", shown, condition.shown_by)
            found.append(condition)
        self.looks_at_content = self.looks_at_content or bool(found)
        return found

    def _hours(self, table: Table) -> Hours:
        texts = table.texts("hours")
        windows = []
        for text in texts:
            try:
                windows.append(Window.parse(text))
            except ValueError as error:
                table.wrong("hours", str(error))
        return Hours(texts=texts, windows=tuple(windows), zone=self._zone)

    def _nested(self, table: Table, shown: Checked | None, depth: int, *, inverted: bool) -> list[Condition]:
        found: list[Condition] = []
        names = [name for name in ("all", "any", "not") if table.has(name)]
        if names and depth == MAX_DEPTH:
            table.wrong(names[0], f"must not stand deeper than {MAX_DEPTH} tables")
            for name in names:
                table.take(name)
            return found
        for name in names:
            if name == "not":
                inner = Table(table.take("not"), table.place_of("not"), table.problems)
                found.append(Not(table=self.read(inner, shown=shown, depth=depth + 1, inverted=True)))
                continue
            values = table.tables(name)
            if len(values) > MAX_TABLES:
                table.wrong(name, f"must have at most {MAX_TABLES} tables")
            inner_tables = tuple(
                self.read(
                    Table(value, f"{table.place_of(name)}[{number}]", table.problems),
                    shown=shown,
                    depth=depth + 1,
                    inverted=inverted,
                )
                for number, value in enumerate(values[:MAX_TABLES], start=1)
            )
            found.append(All(tables=inner_tables) if name == "all" else Either(tables=inner_tables))
        return found


def _values(table: Table, member: ContentMember) -> Patterns:
    if member is not ContentMember.SCRIPTS:
        return table.patterns(member)
    if not table.is_list(member):
        if table.take(member) is not False:
            table.wrong(member, "must be false, or a list of patterns")
        return Patterns(())
    return table.patterns(member)


def _attributes(table: Table, name: str) -> Attributes:
    inner = Table(table.take(name), table.place_of(name), table.problems)
    reserved = _NO_PROVIDES if name == "provides" else _NO_DEPENDS
    found = {}
    for attribute in inner.names():
        if attribute in reserved:
            inner.wrong(attribute, "has a member of its own")
        found[attribute] = inner.patterns(attribute)
    if not found:
        inner.wrong("", "must name an attribute")
    return Attributes(member=name, patterns=found)


def _demand(table: Table, member: str, shown: Checked | None, least: Checked) -> None:
    if shown is None or shown < least:
        table.wrong(member, f'needs checked = "{least.value}" beside it or around it')


def _version(table: Table) -> VersionDemand:
    source = table.text("from")
    if source != ARTIFACT_NAME and not (source.startswith(PROVIDES) and len(source) > len(PROVIDES)):
        table.wrong("from", f"must be {ARTIFACT_NAME}, or {PROVIDES} and the name of an attribute")
    prefix = table.text("prefix", default="")
    order = table.word("order", Order)
    max_step = None
    if table.has("max_step"):
        max_step = table.number("max_step", least=1)
        if order is not Order.NUMERIC:
            table.wrong("max_step", "is a difference of numbers, it needs the order numeric")
    table.end()
    return VersionDemand(source=source, prefix=prefix, order=order, max_step=max_step)
