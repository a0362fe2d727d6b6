"""Records are frozen dataclasses to whoever looks at one, and cost nothing that makes a command start slowly."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from verifier._record import Record


class Point(Record):
    """Two fields, one with a default, and something that is not a field."""

    x: int
    y: int = 2
    dimensions: ClassVar[int] = 2

    @property
    def total(self) -> int:
        return self.x + self.y


class Space(Point):
    """A record that adds a field."""

    z: int = 3


class Other(Record):
    """The same fields under another name."""

    x: int
    y: int


class TestValues:
    def test_fields_come_by_name_and_defaults_fill_in(self) -> None:
        assert (Point(x=1).x, Point(x=1).y, Point(x=1, y=5).total) == (1, 2, 6)
        assert (Space(x=1).total, Space(x=1).z) == (3, 3)

    def test_what_is_not_annotated_as_a_field_is_none(self) -> None:
        assert Point(x=1).dimensions == 2

    def test_equal_are_those_of_one_type_with_equal_fields(self) -> None:
        assert Point(x=1) == Point(x=1, y=2)
        assert hash(Point(x=1)) == hash(Point(x=1, y=2))
        assert Point(x=1) != Point(x=2)
        assert Point(x=1, y=2) != Other(x=1, y=2)
        assert Point(x=1) != Space(x=1)

    def test_the_repr_is_that_of_a_dataclass(self) -> None:
        assert repr(Point(x=1)) == "Point(x=1, y=2)"

    def test_copies_and_pickles_are_equal(self) -> None:
        point = Point(x=1)
        assert copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a field is missing": (lambda: Point(y=1), TypeError, r"takes \('x', 'y'\)"),  # type: ignore[call-arg]
    "another name": (lambda: Point(x=1, z=1), TypeError, "takes"),  # type: ignore[call-arg]
    "by position": (lambda: Point(1), TypeError, "positional"),  # type: ignore[call-arg]
    "assigning a field": (lambda: setattr(Point(x=1), "x", 2), dataclasses.FrozenInstanceError, "'x'"),
    "assigning what is no field": (lambda: setattr(Point(x=1), "w", 2), dataclasses.FrozenInstanceError, "'w'"),
    "deleting a field": (lambda: delattr(Point(x=1), "x"), dataclasses.FrozenInstanceError, "'x'"),
    "replacing by another name": (lambda: dataclasses.replace(Point(x=1), z=3), TypeError, "takes"),  # type: ignore[call-arg]
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_is_refused(sentence: str) -> None:
    attempt, error, text = REFUSED[sentence]
    with pytest.raises(error, match=text):
        attempt()


class TestToOthersItIsADataclass:
    def test_its_fields_are_listed_with_types_and_defaults(self) -> None:
        assert [(field.name, field.type, field.default) for field in dataclasses.fields(Space)] == [
            ("x", "int", dataclasses.MISSING),
            ("y", "int", 2),
            ("z", "int", 3),
        ]

    def test_it_is_replaced_and_taken_apart_like_one(self) -> None:
        assert dataclasses.is_dataclass(Point(x=1))
        assert dataclasses.replace(Point(x=1), y=7) == Point(x=1).__replace__(y=7) == Point(x=1, y=7)
        assert dataclasses.asdict(Space(x=1)) == {"x": 1, "y": 2, "z": 3}

    def test_it_has_no_dictionary(self) -> None:
        assert not hasattr(Point(x=1), "__dict__")


def test_the_package_is_read_without_dataclasses() -> None:
    code = "import sys, verifier; verifier.verify; print('dataclasses' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False"
