"""Recalls on every database: what was recalled is not recorded again, nor given out; a row that is gone is missed."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, update

from signer.domain.leaves import LogEvent
from signer.domain.recalls import NewRecall, recalled_digest
from signer.domain.records import Recorded, Refusal, Refused, Stale
from signer.domain.requests import Checked
from signer.errors import AccessTampered
from signer.errors.recalls import ManifestNotSigned, RecallsExhausted
from signer.services.access_ports import KeysMovedError
from signer.storage import recall_store
from signer.storage.access import access_digest, access_revision
from signer.storage.database import Database
from signer.storage.log_reader import SqlLogReader
from signer.storage.recall_store import SqlRecalls
from signer.storage.recall_tables import recalled_manifests
from tests.support.books import SqlBook, digest, entry
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener
from verifier.log import parsed_leaf

ONE, TWO = digest("one"), digest("two")
SEEN = {"header_sha256": "a" * 64, "artifact": "release-1", "devices": ["board"]}


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def book(database: Database, clock: ManualClock) -> SqlBook:
    return SqlBook(database, clock)


@pytest.fixture
def recalls(database: Database, clock: ManualClock) -> SqlRecalls:
    return SqlRecalls(database=database, clock=clock)


def new(manifest: str = ONE, *, keys: frozenset[str] | None = None, person: str | None = None) -> NewRecall:
    return NewRecall(manifest_sha256=manifest, actor="api-token:boss", reason="bad", keys=keys, person=person)


def signed(book: SqlBook, version: int, *manifests: str) -> list[object]:
    entries = [
        entry(version, each, access_revision=book.revision(), checked=Checked.HEAD, seen=SEEN) for each in manifests
    ]
    return list(book.record_many(entries))


def test_a_recall_is_on_record_once_with_who_and_why(
    book: SqlBook, recalls: SqlRecalls, database: Database, clock: ManualClock
) -> None:
    signed(book, book.version(), "one", "two")
    with database.reading() as connection:
        before = access_revision(connection), access_digest(connection)
    index = book.next_index()
    recall, changed = recalls.recall(new(person="ada"))
    clock.advance(seconds=5)
    again = recalls.recall(new())
    assert (changed, again) == (True, (recall, False))
    assert (recall.leaf, recall.recalled_at, recall.actor, recall.reason) == (index, START, "api-token:boss", "bad")
    assert recalls.manifests() == {ONE}
    assert recalls.recalls() == (recall,)
    with database.reading() as connection:
        assert access_revision(connection) == before[0] + 1
        assert access_digest(connection) != before[1]
    (raw,) = SqlLogReader(database=database).leaves(index, index + 1)
    leaf = dict(parsed_leaf(raw))
    assert {name: leaf[name] for name in ("type", "actor", "manifest_sha256", "reason", "person", "artifact")} == {
        "type": LogEvent.RELEASE_RECALLED,
        "actor": "api-token:boss",
        "manifest_sha256": ONE,
        "reason": "bad",
        "person": "ada",
        "artifact": "release-1",
    }
    assert (leaf["recalled"], leaf["recalled_sha256"]) == (1, recalled_digest([ONE]))
    assert leaf["access_revision"] == before[0] + 1
    assert book.next_index() == index + 1


def test_each_leaf_says_all_that_is_recalled_then(book: SqlBook, recalls: SqlRecalls, database: Database) -> None:
    signed(book, book.version(), "one", "two")
    last, _ = recalls.recall(new(ONE)), recalls.recall(new(TWO))
    assert last[0].leaf < recalls.recalls()[1].leaf
    (raw,) = SqlLogReader(database=database).leaves(recalls.recalls()[1].leaf, recalls.recalls()[1].leaf + 1)
    assert parsed_leaf(raw)["recalled_sha256"] == recalled_digest([TWO, ONE])


class TestRecording:
    def test_what_was_recalled_is_refused_and_the_rest_of_the_batch_is_not(
        self, book: SqlBook, recalls: SqlRecalls
    ) -> None:
        version = book.version()
        signed(book, version, "one")
        index = book.next_index()
        recalls.recall(new())
        first, other = signed(book, version, "one", "two")
        assert first == Refused(reason=Refusal.RECALLED)
        assert isinstance(other, Recorded)
        assert book.next_index() == index + 2

    def test_it_is_refused_under_every_version(self, book: SqlBook, recalls: SqlRecalls) -> None:
        signed(book, book.version(), "one")
        recalls.recall(new())
        assert signed(book, book.version(), "one") == [Refused(reason=Refusal.RECALLED)]

    def test_an_answer_that_was_lost_is_not_given_after_a_recall(self, book: SqlBook, recalls: SqlRecalls) -> None:
        version = book.version()
        sent = entry(version, "one", access_revision=book.revision())
        assert isinstance(book.record_many([sent])[0], Recorded)
        recalls.recall(new())
        late = entry(version, "one", access_revision=book.revision(), record_id=sent.record_id)
        assert book.record_many([late]) == [Refused(reason=Refusal.RECALLED)]

    def test_what_was_decided_before_a_recall_is_decided_again(self, book: SqlBook, recalls: SqlRecalls) -> None:
        version = book.version()
        signed(book, version, "one")
        sent = entry(version, "two", access_revision=book.revision())
        recalls.recall(new())
        assert book.record_many([sent]) == [Stale(access_revision=book.revision())]


class TestRefused:
    def test_a_manifest_that_nothing_signed(self, book: SqlBook, recalls: SqlRecalls) -> None:
        index = book.next_index()
        with pytest.raises(ManifestNotSigned):
            recalls.recall(new())
        assert (recalls.manifests(), book.next_index()) == (frozenset(), index)

    def test_a_manifest_that_another_key_has_signed_meanwhile(self, book: SqlBook, recalls: SqlRecalls) -> None:
        signed(book, book.version(), "one")
        (name,) = recalls.signed(ONE).keys
        with pytest.raises(KeysMovedError):
            recalls.recall(new(keys=frozenset({"another"})))
        assert recalls.manifests() == frozenset()
        assert recalls.recall(new(keys=frozenset({name})))[1]

    def test_more_than_a_list_can_name(
        self, book: SqlBook, recalls: SqlRecalls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signed(book, book.version(), "one", "two")
        monkeypatch.setattr(recall_store, "MOST_RECALLED", 1)
        assert recalls.recall(new(ONE))[1]
        with pytest.raises(RecallsExhausted):
            recalls.recall(new(TWO))
        assert recalls.recall(new(ONE))[1] is False


PLANTED = {"manifest_sha256": TWO, "leaf": 1, "recalled_at": START, "actor": "nobody", "reason": "none"}
TAMPERING = {
    "a row that is gone": delete(recalled_manifests),
    "a row that was planted": insert(recalled_manifests).values(**PLANTED),
    "a row of another manifest": update(recalled_manifests).values(manifest_sha256=TWO),
}


@pytest.mark.parametrize("sentence", TAMPERING)
def test_tampering_is_seen_by_the_next_change(
    sentence: str, book: SqlBook, recalls: SqlRecalls, database: Database
) -> None:
    signed(book, book.version(), "one", "three")
    recalls.recall(new())
    with database.writing() as connection:
        connection.execute(TAMPERING[sentence])
    with pytest.raises(AccessTampered):
        recalls.recall(new(digest("three")))
