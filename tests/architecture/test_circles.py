"""No circle of imports: the modules of a package can be read from the bottom up.

An import counts wherever it stands, in a function and for the type checker too: whoever reads the one file has to
know the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import pytest

from .sources import PACKAGES, imports, module_name, python_files

Graph = Mapping[str, Iterable[str]]


def graph(package: str) -> dict[str, set[str]]:
    """Each module of ``package`` with the modules of it that it imports."""
    modules = {module_name(path) for path in python_files(package)}
    found: dict[str, set[str]] = {module: set() for module in modules}
    for item in imports(package):
        target = item.target if item.target in modules else item.target.rpartition(".")[0]
        if target in modules and target != item.module:
            found[item.module].add(target)
    return found


def a_circle(imported: Graph) -> list[str]:
    """The modules of one circle, each importing the next; empty where there is none."""
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


@pytest.mark.parametrize("package", PACKAGES)
def test_there_is_no_circle(package: str) -> None:
    assert a_circle(graph(package)) == []


class TestTheRuleItself:
    """It would say nothing if circles were not seen."""

    def test_a_circle_is_found_and_told_in_order(self) -> None:
        circle = a_circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})
        assert len(circle) == 4
        assert all(f"{one}{other}" in {"ab", "bc", "ca"} for one, other in pairwise(circle))

    def test_modules_that_are_imported_twice_are_no_circle(self) -> None:
        assert a_circle({"a": {"b", "c"}, "b": {"c"}, "c": ()}) == []

    def test_imports_between_the_modules_of_a_package_are_seen(self) -> None:
        assert "verifier._decoder" in graph("verifier")["verifier._xz"]
