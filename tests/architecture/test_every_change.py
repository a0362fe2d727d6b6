"""What runs for every change, what is counted while it runs, and what is compiled once for all of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from coverage import Coverage
from sqlalchemy import select, text
from werkzeug.routing import Map, Rule

from signer.storage.database import Database
from signer.storage.tables import api_tokens
from tests import conftest
from tests.support.compiled_once import builder_of_rule
from tests.support.databases import settings
from tests.support.rows import slow_but, slow_but_every, slow_on_postgresql

TESTS = Path(conftest.__file__).parent


def marks(row: Any) -> list[str]:
    """The names of a row's marks."""
    return [mark.name for mark in getattr(row, "marks", ())]


class Item(SimpleNamespace):
    """What the rule asks a test for: the values of its parameters, and the tables that they are of."""

    @classmethod
    def of(cls, *tables: pytest.MarkDecorator, **values: object) -> Item:
        """A test with these parameters, or none."""
        return cls(marked=[], tables=tables, **({"callspec": SimpleNamespace(params=values)} if values else {}))

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        """Its tables."""
        return [table.mark for table in self.tables if table.name == name]

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        """Remember it."""
        self.marked.append(mark.name)


@dataclass(frozen=True)
class Counting:
    """One of those that count, one upon the other."""

    name: str
    done: list[str]
    started: ClassVar[list[Counting]] = []

    def stop(self) -> None:
        """As ``Coverage``."""
        assert self.started.pop() is self
        self.done.append(f"stop {self.name}")

    def start(self) -> None:
        """As ``Coverage``."""
        self.started.append(self)
        self.done.append(f"start {self.name}")


class TestRows:
    def test_those_that_are_named_run_for_every_change(self) -> None:
        rows = slow_but({"a"}, ["a", "b"])
        assert [marks(row) for row in rows] == [[], ["slow"]]

    def test_one_that_is_not_there_cannot_be_named(self) -> None:
        with pytest.raises(AssertionError, match="no such rows: \\['c'\\]"):
            slow_but({"c"}, ["a", "b"])

    def test_every_third_runs_for_every_change_with_its_own_marks_and_name(self) -> None:
        rows = slow_but_every(3, ["a", "b", pytest.param("c", marks=pytest.mark.judge, id="see"), "d"])
        assert [marks(row) for row in rows] == [[], ["slow"], ["judge", "slow"], []]
        assert rows[2].id == "see"


ROWS = pytest.mark.parametrize("row", slow_but({"b", "c"}, ["a", "b", "c"]))
NONE = pytest.mark.parametrize("row", slow_but(set(), ["a", "b"]))
COLUMNS = pytest.mark.parametrize(("column", "sign"), [("x", 1), ("y", 2)])
ITEMS = {
    "plain": (Item.of(), False),
    "a contract": (Item.of(url="postgresql"), False),
    "a contract that names its databases": (
        Item.of(pytest.mark.parametrize("kind", ["sqlite", "postgresql"]), kind="postgresql"),
        False,
    ),
    "a row on SQLite": (Item.of(ROWS, url="sqlite", row="c"), False),
    "the first that runs for every change": (Item.of(ROWS, url="postgresql", row="b"), False),
    "the one after it": (Item.of(ROWS, url="postgresql", row="c"), True),
    "one of a table of which none does": (Item.of(NONE, url="postgresql", row="a"), True),
    "the first of the first column": (Item.of(ROWS, COLUMNS, url="postgresql", row="b", column="x", sign=1), False),
    "the first of another column": (Item.of(ROWS, COLUMNS, url="postgresql", row="b", column="y", sign=2), True),
}


@pytest.mark.parametrize("sentence", ITEMS)
def test_of_a_table_the_first_row_on_postgresql_runs_for_every_change(sentence: str) -> None:
    item, slow = ITEMS[sentence]
    slow_on_postgresql(item)  # type: ignore[arg-type]
    assert item.marked == ["slow"] * slow


def test_what_reads_all_files_is_run_by_one_process(request: pytest.FixtureRequest) -> None:
    group = request.node.get_closest_marker("xdist_group")
    assert group is not None
    assert group.args == ("architecture",)


class TestCounting:
    @pytest.mark.parametrize(
        ("path", "steps"),
        [
            ("contract/test_floors.py", ["stop b", "stop a", "test", "start a", "start b"]),
            ("property/deeper/test_x.py", ["stop b", "stop a", "test", "start a", "start b"]),
            ("signer/services/test_contract.py", ["test"]),
            ("verifier/test_head.py", ["test"]),
        ],
    )
    def test_lines_are_counted_where_that_says_something(
        self, monkeypatch: pytest.MonkeyPatch, path: str, steps: list[str]
    ) -> None:
        done: list[str] = []
        started = [Counting("a", done), Counting("b", done)]
        monkeypatch.setattr(Coverage, "current", lambda: started[-1] if started else None)
        monkeypatch.setattr(Counting, "started", started)
        around = conftest.pytest_runtest_protocol(SimpleNamespace(path=TESTS / path))  # type: ignore[arg-type]
        next(around)
        done.append("test")
        with pytest.raises(StopIteration):
            around.send(None)
        assert done == steps

    def test_they_are_not_here(self) -> None:
        assert Coverage.current() is None

    def test_every_folder_that_is_named_is_there(self) -> None:
        assert [folder for folder in conftest.UNCOUNTED if not (TESTS / folder).is_dir()] == []


class TestCompiledOnce:
    def test_a_statement_for_all_databases(self, tmp_path: Path) -> None:
        compiled = []
        for name in "ab":
            database = Database(settings(f"sqlite:///{tmp_path / name}"))
            database.upgrade()
            with database.reading() as connection:
                assert str(tmp_path / name) in {row.file for row in connection.execute(text("PRAGMA database_list"))}
                compiled.append(connection.execute(select(api_tokens)).context.compiled)
            database.close()
        assert compiled[0] is compiled[1]

    def test_each_rule_by_its_own_text(self) -> None:
        rules = [Rule(f"/{name}/<value>", endpoint=name) for name in "aab"]
        built = [Map([rule]).bind("host").build(rule.endpoint, {"value": "v", "q": 1}) for rule in rules]
        assert built == ["/a/v?q=1", "/a/v?q=1", "/b/v?q=1"]
        first, again, other = (builder_of_rule(rule) for rule in rules)
        assert first is again is not other
