"""Versions do not go back: floors are compared and set where signatures are recorded, in memory and on databases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from signer.domain.access.versions import Order
from signer.domain.floors import VersionClaim, rebuilt
from signer.domain.records import Outcome, Recorded, Refusal, Refused
from signer.domain.requests import Checked
from signer.storage.access_tables import version_floors
from signer.storage.log_reader import SqlLogReader
from tests.support.books import Book, MemoryBook, SqlBook, entry
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from verifier.log import parsed_leaf

BOARD, ROUTER = ("board", "rootfs"), ("router", "rootfs")


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def book(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Book]:
    if request.param == "memory":
        yield MemoryBook(clock)
        return
    opener = Opener(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
    yield SqlBook(opener(), clock)
    opener.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[SqlBook]:
    opener = Opener(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
    yield SqlBook(opener(), clock)
    opener.close()


def claim(
    version: str, *places: tuple[str, str], order: Order = Order.NUMERIC, max_step: int | None = None
) -> VersionClaim:
    """A version, for a board unless it says otherwise."""
    return VersionClaim(order=order, version=version, max_step=max_step, places=places or (BOARD,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A signature that is asked for. ``manifest``: another one for each name."""

    manifest: str
    claim: VersionClaim | None
    identity: str = "api-token:pipeline"
    key: str = "firmware"
    checked: Checked = Checked.HEAD


def ask(book: Book, version: int, *asked: Asked) -> list[Outcome]:
    """What becomes of these, together."""
    return book.record_many(
        [
            entry(
                version, each.manifest, access_revision=book.revision(), claim=each.claim, identity=each.identity,
                key=each.key, checked=each.checked,
            )
            for each in asked
        ]
    )  # fmt: skip


def told(outcome: Outcome) -> str:
    """``signed``, ``again``, or why not."""
    if isinstance(outcome, Recorded):
        return "again" if outcome.repeated else "signed"
    assert isinstance(outcome, Refused)
    return outcome.reason.value


def numbered(manifest: str, version: str, *places: tuple[str, str], **options: Any) -> Asked:
    """An artifact of a version."""
    order, step = options.pop("order", Order.NUMERIC), options.pop("max_step", None)
    return Asked(manifest=manifest, claim=claim(version, *places, order=order, max_step=step), **options)


OLD, FAR = Refusal.VERSION_TOO_OLD.value, Refusal.VERSION_STEP_TOO_LARGE.value
ROWS: dict[str, list[tuple[Asked, str]]] = {
    "versions go on": [(numbered("a", "1"), "signed"), (numbered("b", "2"), "signed"), (numbered("c", "9"), "signed")],
    "an older version is refused": [(numbered("a", "5"), "signed"), (numbered("b", "4"), OLD)],
    "the same version of another artifact is signed": [(numbered("a", "5"), "signed"), (numbered("b", "5"), "signed")],
    "what was refused moves nothing": [
        (numbered("a", "5"), "signed"), (numbered("b", "4"), OLD), (numbered("c", "5"), "signed"),
    ],
    "the same artifact again is answered": [(numbered("a", "5"), "signed"), (numbered("a", "5"), "again")],
    "the same artifact again, after a newer one, is refused": [
        (numbered("a", "5"), "signed"), (numbered("b", "6"), "signed"), (numbered("a", "5"), OLD),
    ],
    "another identity is given an old one no sooner": [
        (numbered("a", "5"), "signed"), (numbered("b", "6"), "signed"),
        (numbered("a", "5", identity="api-token:thief"), OLD),
    ],
    "who saw more of an old one is given it no sooner": [
        (numbered("a", "5"), "signed"), (numbered("b", "6"), "signed"),
        (numbered("a", "5", checked=Checked.ARTIFACT), OLD),
    ],
    "an old one is given out where no rule asks for versions": [
        (numbered("a", "5"), "signed"), (numbered("b", "6"), "signed"), (Asked(manifest="a", claim=None), "again"),
    ],
    "what no rule asks versions of sets no floor": [
        (Asked(manifest="a", claim=None), "signed"), (numbered("b", "1"), "signed"),
    ],
    "other device types have floors of their own": [
        (numbered("a", "5", BOARD), "signed"), (numbered("b", "1", ROUTER), "signed"),
        (numbered("c", "4", BOARD), OLD), (numbered("d", "4", ROUTER), "signed"),
    ],
    "other payload types have floors of their own": [
        (numbered("a", "5", BOARD), "signed"), (numbered("b", "1", ("board", "boot")), "signed"),
    ],
    "other keys have floors of their own": [
        (numbered("a", "5"), "signed"), (numbered("b", "1", key="other"), "signed"),
    ],
    "one place below its floor is enough": [
        (numbered("a", "5", ROUTER), "signed"), (numbered("b", "4", BOARD, ROUTER), OLD),
        (numbered("c", "4", BOARD), "signed"),
    ],
    "all places are set": [
        (numbered("a", "5", BOARD, ROUTER), "signed"), (numbered("b", "4", BOARD), OLD),
        (numbered("c", "4", ROUTER), OLD),
    ],
    "numbers are no texts": [
        (numbered("a", "9"), "signed"), (numbered("b", "10"), "signed"), (numbered("c", "9"), OLD),
    ],
    "another order is refused": [
        (numbered("a", "5"), "signed"), (numbered("b", "6.0.0", order=Order.SEMVER), OLD),
    ],
    "semver is ordered as semver": [
        (numbered("a", "1.0.0-rc.1", order=Order.SEMVER), "signed"),
        (numbered("b", "1.0.0", order=Order.SEMVER), "signed"),
        (numbered("c", "1.0.0-rc.2", order=Order.SEMVER), OLD),
    ],
    "Debian's is ordered as Debian's": [
        (numbered("a", "1.0~rc1", order=Order.DEBIAN), "signed"), (numbered("b", "1.0", order=Order.DEBIAN), "signed"),
        (numbered("c", "1.0~rc2", order=Order.DEBIAN), OLD),
    ],
    "a step that is not too large": [(numbered("a", "5"), "signed"), (numbered("b", "7", max_step=2), "signed")],
    "a step that is too large": [(numbered("a", "5"), "signed"), (numbered("b", "8", max_step=2), FAR)],
    "a first version is no step": [(numbered("a", "999999", max_step=1), "signed")],
    "a step that is too large moves nothing": [
        (numbered("a", "5"), "signed"), (numbered("b", "999999", max_step=1), FAR), (numbered("c", "6"), "signed"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("sentence", ROWS)
def test_one_after_the_other(book: Book, sentence: str) -> None:
    version = book.version()
    assert [told(ask(book, version, asked)[0]) for asked, _ in ROWS[sentence]] == [what for _, what in ROWS[sentence]]


@pytest.mark.parametrize("sentence", ROWS)
def test_all_in_one_batch(book: Book, sentence: str) -> None:
    outcomes = ask(book, book.version(), *(asked for asked, _ in ROWS[sentence]))
    assert [told(outcome) for outcome in outcomes] == [what for _, what in ROWS[sentence]]


@pytest.mark.parametrize("sentence", ROWS)
def test_the_rows_are_what_the_leaves_say(kept: SqlBook, sentence: str) -> None:
    version = kept.version()
    for asked, _ in ROWS[sentence]:
        ask(kept, version, asked)
    assert rows_of(kept) == leaves_say(kept)


def test_a_refusal_names_the_floor(book: Book) -> None:
    version = book.version()
    ask(book, version, numbered("a", "5", BOARD, ROUTER))
    (outcome,) = ask(book, version, numbered("b", "4", ROUTER))
    assert isinstance(outcome, Refused)
    assert outcome.unmet is not None
    assert (outcome.unmet.device_type, outcome.unmet.payload_type, outcome.unmet.floor.version) == (*ROUTER, "5")


def test_what_was_recorded_before_its_answer_was_lost_is_answered(book: Book) -> None:
    version, sent = book.version(), os.urandom(16)
    first = entry(version, "a", record_id=sent, access_revision=book.revision(), claim=claim("5"))
    book.record_many([first])
    ask(book, version, numbered("b", "6"))
    assert told(book.record_many([first])[0]) == "signed"


def test_a_repeat_that_needs_no_leaf_raises_the_floor_with_one(book: Book) -> None:
    version = book.version()
    ask(book, version, Asked(manifest="a", claim=None))
    before = book.next_index() if isinstance(book, SqlBook) else 0
    assert told(ask(book, version, numbered("a", "7"))[0]) == "again"
    assert told(ask(book, version, numbered("b", "6"))[0]) == OLD
    if isinstance(book, SqlBook):
        assert book.next_index() == before + 1
        leaf = parsed_leaf(SqlLogReader(database=book.database).leaves(before, before + 1)[0])
        assert (leaf["type"], leaf["key"], leaf["actor"]) == ("floor-set", "firmware", "api-token:pipeline")
        assert rows_of(book) == leaves_say(book)


def test_a_floor_that_somebody_spoilt_lets_nothing_through(kept: SqlBook) -> None:
    version = kept.version()
    ask(kept, version, numbered("a", "5"))
    with kept.database.writing() as connection:
        connection.execute(version_floors.update().values(version="none"))
    assert told(ask(kept, version, numbered("b", "6"))[0]) == OLD


def rows_of(book: SqlBook) -> dict[tuple[str, str, str], tuple[str, str, int]]:
    """The table."""
    with book.database.reading() as connection:
        return {tuple(row[:3]): tuple(row[3:]) for row in connection.execute(select(version_floors))}  # type: ignore[misc]


def leaves_say(book: SqlBook) -> dict[tuple[str, str, str], tuple[str, str, int]]:
    """The same, from the log alone."""
    reader = SqlLogReader(database=book.database)
    leaves = reader.leaves(0, reader.head().size)
    found = rebuilt((index, parsed_leaf(leaf)) for index, leaf in enumerate(leaves))
    return {place: (floor.order.value, floor.version, floor.leaf) for place, floor in found.items()}
