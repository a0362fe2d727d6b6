"""Reads the pages of the documentation: headings, tables and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_HEADING = re.compile(r"^(#{1,6}) (.+)$")
_CODE = re.compile(r"`([^`]+)`")
_FENCE = "```"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The text under one heading, up to the next heading of any level. ``heading`` is as written."""

    level: int
    heading: str
    lines: tuple[str, ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables of this section, in order."""
        return tuple(_tables(self.lines))

    def table(self, first_column: str) -> Table:
        """The one table whose first column has this heading."""
        (found,) = (table for table in self.tables if table.columns[0] == first_column)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table: the headings of its columns, and rows of as many cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def records(self) -> list[dict[str, str]]:
        """Each row by the headings of its columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def section(page: str, heading: str) -> Section:
    """The one section of ``page`` (relative to docs/) with this heading."""
    (found,) = (item for item in sections(page) if item.heading == heading)
    return found


@cache
def sections(page: str) -> tuple[Section, ...]:
    """All sections of a page; code blocks belong to their section and are never read as headings."""
    found: list[tuple[int, str, list[str]]] = []
    for line, in_code in _lines(DOCS / page):
        heading = None if in_code else _HEADING.match(line)
        if heading:
            found.append((len(heading[1]), heading[2], []))
        elif found and not in_code:
            found[-1][2].append(line)
    return tuple(Section(level=level, heading=text, lines=tuple(lines)) for level, text, lines in found)


def prose(path: Path) -> str:
    """A page without its code blocks."""
    return "\n".join(line for line, in_code in _lines(path) if not in_code)


def quoted(cell: str) -> list[str]:
    """What a cell shows as code."""
    return _CODE.findall(cell)


def anchor(heading: str) -> str:
    """The name under which a heading can be linked to: lower case, words and hyphens only."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def _lines(path: Path) -> Iterator[tuple[str, bool]]:
    in_code = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(_FENCE):
            in_code = not in_code
            yield line, True
        else:
            yield line, in_code


def _tables(lines: tuple[str, ...]) -> Iterator[Table]:
    block: list[tuple[str, ...]] = []
    for line in (*lines, ""):
        if line.startswith("|"):
            block.append(tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]))
        elif block:
            columns, _rule, *rows = block
            yield Table(columns=columns, rows=tuple(rows))
            block = []
