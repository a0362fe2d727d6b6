"""Floors that people set: higher or lower, told by a leaf, and in force for the next signature."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from signer.administration import administration
from signer.errors import FloorInvalid, KeyNotFound, ReasonInvalid, SignerError
from signer.services.floors import FloorAdministration
from signer.storage.log_reader import SqlLogReader
from tests.contract.test_floors import OLD, ask, leaves_say, numbered, rows_of, told
from tests.support.books import SqlBook
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from verifier.log import parsed_leaf

PLACE = ("key-0", "board", "rootfs")


@pytest.fixture
def book(open_database: Opener, clock: ManualClock) -> SqlBook:
    made = SqlBook(open_database(), clock)
    version = made.version()
    ask(made, version, numbered("typing error", "999999", key="key-0"))
    return made


@pytest.fixture
def floors(book: SqlBook, clock: ManualClock) -> FloorAdministration:
    return administration(book.database, clock).floors


def put(
    floors: FloorAdministration,
    version: str = "41",
    *,
    place: tuple[str, str, str] = PLACE,
    order: str = "numeric",
    reason: str = "a typing error",
) -> None:
    """Set the floor."""
    floors.set(place, unverified_order=order, version=version, reason=reason, actor="api-token:boss")


def test_a_version_that_a_mistake_raised_is_lowered(book: SqlBook, floors: FloorAdministration) -> None:
    assert told(ask(book, 1, numbered("b", "42", key="key-0"))[0]) == OLD
    put(floors)
    assert told(ask(book, 1, numbered("c", "40", key="key-0"))[0]) == OLD
    assert told(ask(book, 1, numbered("d", "42", key="key-0"))[0]) == "signed"
    assert rows_of(book) == leaves_say(book)


def test_its_leaf_says_who_why_and_from_where(book: SqlBook, floors: FloorAdministration) -> None:
    index = book.next_index()
    put(floors)
    leaf = parsed_leaf(SqlLogReader(database=book.database).leaves(index, index + 1)[0])
    assert (leaf["type"], leaf["actor"], leaf["key"]) == ("floor-set", "api-token:boss", "key-0")
    assert leaf["before"] == {"order": "numeric", "version": "999999"}
    assert leaf["after"] == {
        "device_type": "board", "payload_type": "rootfs", "order": "numeric", "version": "41",
        "reason": "a typing error",
    }  # fmt: skip
    assert [(place, floor.version, floor.leaf) for place, floor in floors.floors("key-0")] == [(PLACE, "41", index)]


def test_it_can_be_raised_and_be_in_another_order(book: SqlBook, floors: FloorAdministration) -> None:
    put(floors, "2.0.0", order="semver")
    assert told(ask(book, 1, numbered("b", "1000000", key="key-0"))[0]) == OLD
    assert rows_of(book) == leaves_say(book)


def test_a_place_where_nothing_was_signed_can_have_one(book: SqlBook, floors: FloorAdministration) -> None:
    put(floors, "5", place=("key-0", "router", ""))
    assert told(ask(book, 1, numbered("b", "4", ("router", ""), key="key-0"))[0]) == OLD
    assert [place for place, _ in floors.floors()] == [PLACE, ("key-0", "router", "")]
    assert floors.floors("another") == ()


REFUSED: dict[str, tuple[Callable[[FloorAdministration], None], type[SignerError]]] = {
    "an order that there is not": (lambda it: put(it, order="roman"), FloorInvalid),
    "a version that is none in its order": (lambda it: put(it, "1.x"), FloorInvalid),
    "a version that is too long": (lambda it: put(it, "1" * 129, order="debian"), FloorInvalid),
    "no version": (lambda it: put(it, ""), FloorInvalid),
    "a device type that is too long": (lambda it: put(it, place=("key-0", "b" * 256, "x")), FloorInvalid),
    "a payload type of two lines": (lambda it: put(it, place=("key-0", "b", "x\ny")), FloorInvalid),
    "a key that there is not": (lambda it: put(it, place=("nothing", "board", "rootfs")), KeyNotFound),
    "no reason": (lambda it: put(it, reason=""), ReasonInvalid),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_it_is_refused_and_nothing_is_told(book: SqlBook, floors: FloorAdministration, sentence: str) -> None:
    step, error = REFUSED[sentence]
    size, before = book.next_index(), rows_of(book)
    with pytest.raises(error):
        step(floors)
    assert (book.next_index(), rows_of(book)) == (size, before)
