"""Rows of a table as parameters: some for every change, the others for ``make test-slow``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def slow_but(first: Collection[str], rows: Iterable[str]) -> list[Any]:
    """All rows, of which ``first`` run with every change: they go another way than the others, or stand for them."""
    names = list(rows)
    unknown = set(first) - set(names)
    assert not unknown, f"no such rows: {sorted(unknown)}"
    return [name if name in first else pytest.param(name, marks=pytest.mark.slow) for name in names]
