"""Rows of a table as parameters: some for every change, the others for ``make test-slow``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pytest


def slow_but(first: Collection[str], rows: Iterable[str]) -> list[Any]:
    """All rows, of which ``first`` run with every change: they go another way than the others, or stand for them."""
    names = list(rows)
    unknown = set(first) - set(names)
    assert not unknown, f"no such rows: {sorted(unknown)}"
    return [name if name in first else pytest.param(name, marks=pytest.mark.slow) for name in names]


def slow_but_every(nth: int, rows: Sequence[Any]) -> list[Any]:
    """All rows, of which the first and every ``nth`` after it run with every change: they are many, and of one kind."""
    return [row if place % nth == 0 else _slow(row) for place, row in enumerate(rows)]


def slow_on_postgresql(items: Iterable[pytest.Item]) -> None:
    """Of a table that runs on each kind of database, the first row runs on PostgreSQL for every change.

    The others run on SQLite for every change; that a server takes the same statements is not told better by more.
    """
    seen = set()
    for item in items:
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        on_postgresql = any(isinstance(value, str) and value == "postgresql" for value in values)
        if on_postgresql and len(values) > 1 and item.get_closest_marker("slow") is None:
            table = item.nodeid.partition("[")[0]
            if table in seen:
                item.add_marker(pytest.mark.slow)
            seen.add(table)


def _slow(row: Any) -> Any:
    """The row, with whatever marks and id it has."""
    if isinstance(row, type(pytest.param())):
        return pytest.param(*row.values, marks=(*row.marks, pytest.mark.slow), id=row.id)
    return pytest.param(row, marks=pytest.mark.slow)
