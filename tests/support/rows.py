"""Rows of a table as parameters: some for every change, the others for ``make test-slow``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pytest

ROW = type(pytest.param())


def slow_but(first: Collection[str], rows: Iterable[str]) -> list[Any]:
    """All rows, of which ``first`` run with every change: they go another way than the others, or stand for them."""
    names = list(rows)
    unknown = set(first) - set(names)
    assert not unknown, f"no such rows: {sorted(unknown)}"
    return [name if name in first else pytest.param(name, marks=pytest.mark.slow) for name in names]


def slow_but_every(nth: int, rows: Sequence[Any]) -> list[Any]:
    """All rows, of which the first and every ``nth`` after it run with every change: they are many, and of one kind."""
    return [row if place % nth == 0 else _slow(row) for place, row in enumerate(rows)]


def slow_on_postgresql(item: pytest.Item) -> None:
    """Of a table that runs on each kind of database, the first row runs on PostgreSQL for every change.

    The others run on SQLite for every change; that a server takes the same statements is not told better by more. It
    is told by the row alone, so that it is the same where others are not collected.
    """
    values = item.callspec.params if hasattr(item, "callspec") else {}
    there = any(map(_is_postgresql, values.values()))
    if there and not all(_is_first(values, mark) for mark in item.iter_markers("parametrize")):
        item.add_marker(pytest.mark.slow)


def _is_first(values: Mapping[str, object], mark: pytest.Mark) -> bool:
    """Whether these are the values of the table's first row, of those that run for every change; there may be none."""
    names, rows = mark.args
    names = (names,) if isinstance(names, str) else names
    if any(_is_postgresql(values[name]) for name in names):
        return True  # that is the database itself
    row = next((row for row in rows if not _is_slow(row)), None)
    if row is None:
        return False
    first = row.values if isinstance(row, ROW) else (row,) if len(names) == 1 else row
    return all(values[name] is value for name, value in zip(names, first, strict=True))


def _is_postgresql(value: object) -> bool:
    return isinstance(value, str) and value == "postgresql"


def _is_slow(row: Any) -> bool:
    return isinstance(row, ROW) and any(mark.name == "slow" for mark in row.marks)


def _slow(row: Any) -> Any:
    """The row, with whatever marks and id it has."""
    if isinstance(row, ROW):
        return pytest.param(*row.values, marks=(*row.marks, pytest.mark.slow), id=row.id)
    return pytest.param(row, marks=pytest.mark.slow)
