"""Signatures that people approved: recorded until the approval's end, with its id; in memory and on databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from signer.domain.records import Approved, Outcome, Recorded, Refusal, Refused
from signer.domain.requests import Checked
from tests.support.books import Book, MemoryBook, SqlBook, entry
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener
from verifier.log import parsed_leaf

APPROVED = Approved(id="a" * 32, expires_at=START + timedelta(days=1))
DAY = timedelta(days=1).total_seconds()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def book(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Book]:
    if request.param == "memory":
        yield MemoryBook(clock)
        return
    opener = Opener(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
    yield SqlBook(opener(), clock)
    opener.close()


def told(outcome: Outcome) -> str:
    """``signed``, ``again``, or why not."""
    if isinstance(outcome, Recorded):
        return "again" if outcome.repeated else "signed"
    assert isinstance(outcome, Refused)
    return outcome.reason.value


def test_an_approval_counts_until_its_end_and_no_longer(book: Book, clock: ManualClock) -> None:
    version = book.version()

    def ask(manifest: str, checked: Checked = Checked.HEAD) -> str:
        (outcome,) = book.record_many(
            [entry(version, manifest, access_revision=book.revision(), approval=APPROVED, checked=checked)]
        )
        return told(outcome)

    clock.advance(seconds=DAY - 1)
    assert (ask("one"), ask("one")) == ("signed", "again")
    clock.advance(seconds=1)
    ended = Refusal.APPROVAL_ENDED.value
    assert [ask("two"), ask("one"), ask("one", Checked.ARTIFACT)] == [ended, ended, ended]
    assert book.signed(version)[0] == 1


def test_what_was_recorded_before_its_answer_was_lost_is_answered(book: Book, clock: ManualClock) -> None:
    version = book.version()
    sent = entry(version, access_revision=book.revision(), approval=APPROVED)
    book.record_many([sent])
    clock.advance(seconds=DAY)
    (outcome,) = book.record_many([sent])
    assert told(outcome) == "signed"


def test_the_leaf_names_what_was_approved(book: Book) -> None:
    version = book.version()
    sent = entry(version, access_revision=book.revision(), approval=APPROVED)
    book.record_many([sent, replace(sent, record_id=b"b" * 16, manifest_sha256="b" * 64, approval=None)])
    leaves = [parsed_leaf(written.document) for written in book.written()]
    assert [leaf.get("approval") for leaf in leaves] == ["a" * 32, None]
