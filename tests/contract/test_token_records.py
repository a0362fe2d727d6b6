"""What whoever records tokens promises, on each kind of database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select, text

from signer.domain.keys import Purpose, Validity, VersionState
from signer.domain.leaves import LogEvent, difference
from signer.domain.records import Outcome, Recorded, Refusal, Refused
from signer.domain.token_records import TokenEntry
from signer.storage.certified_records import CertifiedRecords
from signer.storage.tables import log_leaves
from signer.storage.token_tables import issued_tokens
from tests.support.books import TOLERANCE, SqlBook, entry
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.desks import whole_log
from tests.support.issued_tokens import OpenDoor, open_door, token_entry, user_entry
from tests.support.records import add_pinned, event, swap
from verifier.log.leaves import parsed_leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A recorder's records, with a key for each kind of token."""

    book: SqlBook
    records: CertifiedRecords
    door: OpenDoor
    clock: ManualClock

    def key(self, name: str, **options: Any) -> TokenEntry:
        """An entry under a new key of this name."""
        purpose = options.pop("purpose", Purpose.DEVICE_TOKEN)
        key = add_pinned(self.book.store, name, purpose=purpose, **options)
        return signed_by(key.versions[0], name)

    def send(self, *entries: Any) -> list[Outcome]:
        """What becomes of entries that come together."""
        return list(self.records.record_many(entries))

    def rows(self) -> list[Any]:
        """All tokens on record."""
        with self.book.database.reading() as connection:
            return list(connection.execute(select(issued_tokens).order_by(issued_tokens.c.jti)).all())

    def leaves(self) -> list[Any]:
        """All leaves about tokens."""
        wanted = select(log_leaves).where(log_leaves.c.type == LogEvent.TOKEN_ISSUED.value).order_by(log_leaves.c.id)
        with self.book.database.reading() as connection:
            return list(connection.execute(wanted).all())


def signed_by(version: Any, name: str, make: Callable[..., TokenEntry] = token_entry) -> TokenEntry:
    return make(key=name, version_id=version.id, version=version.number, fingerprint=version.fingerprint)


def again(sent: TokenEntry, **changes: Any) -> TokenEntry:
    """Another token under the same version."""
    make = token_entry if sent.auth_set else user_entry
    same = {
        name: getattr(sent, name) for name in ("key", "version_id", "version", "fingerprint", "subject", "auth_set")
    }
    return make(**{**same, **changes})


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    opener = Opener(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
    book = SqlBook(opener(), clock)
    records = CertifiedRecords(
        database=opener(),
        clock=clock,
        clock_tolerance=TOLERANCE,
        log=whole_log(book.database),
        machine="one",
        failover_check=False,
        monotonic=lambda: 0.0,
    )
    yield Desk(book=book, records=records, door=open_door(monkeypatch), clock=clock)
    opener.close()


class TestOne:
    def test_a_token_has_a_row_and_a_leaf_that_say_the_same(self, desk: Desk) -> None:
        sent = desk.key("device-token")
        (outcome,) = desk.send(sent)
        (row,), (leaf,) = desk.rows(), desk.leaves()
        assert outcome == Recorded(signature=b"", index=leaf.id, at=leaf.at, repeated=False)
        members = parsed_leaf(leaf.leaf)
        for name in ("jti", "subject", "auth_set"):
            assert members[name] == getattr(row, name) == getattr(sent, name)
        assert (row.kind, row.version_id, row.revision, row.revoked_at) == ("device", sent.version_id, 0, None)
        assert (row.issued_at, row.expires_at) == (sent.issued_at, sent.expires_at)
        assert (members["signed_sha256"], members["signature_sha256"]) == ("1" * 64, "2" * 64)
        assert difference(leaf.leaf, leaf._mapping) is None

    def test_it_counts_as_a_signature_of_its_version(self, desk: Desk) -> None:
        sent = desk.key("device-token")
        desk.send(sent)
        (version,) = desk.book.store.key("device-token").versions
        assert (version.signature_count, version.last_signed_at) == (1, desk.clock.now)

    def test_a_user_has_no_auth_set_and_a_personal_token_its_name(self, desk: Desk) -> None:
        key = add_pinned(desk.book.store, "user-token", purpose=Purpose.USER_TOKEN)
        sent = again(signed_by(key.versions[0], "user-token", user_entry), name="ci")
        desk.send(sent)
        (row,) = desk.rows()
        assert (row.kind, row.auth_set, row.name) == ("user", None, "ci")
        assert "auth_set" not in parsed_leaf(desk.leaves()[0].leaf)

    def test_what_is_sent_again_is_recorded_once(self, desk: Desk) -> None:
        sent = desk.key("device-token")
        first, second = desk.send(sent, sent)
        (third,) = desk.send(sent)
        for outcome, repeated in ((first, False), (second, True), (third, True)):
            assert isinstance(outcome, Recorded)
            assert outcome.repeated is repeated
            assert outcome.index >= desk.leaves()[0].id
        assert len(desk.rows()) == len(desk.leaves()) == 1

    def test_tokens_and_signatures_are_recorded_together_in_their_order(self, desk: Desk) -> None:
        sent, version = desk.key("device-token"), desk.book.version()
        revision = desk.book.revision()
        mixed = (
            entry(version, "one", access_revision=revision),
            sent,
            entry(version, "two", access_revision=revision),
            again(sent, subject="another", auth_set="other"),
        )
        outcomes = desk.send(*mixed)
        indexes = [each.index for each in outcomes if isinstance(each, Recorded)]
        assert indexes == list(range(indexes[0], indexes[0] + len(mixed)))
        assert desk.records.verified.size == indexes[-1] + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class No:
    """What is different from a token that is recorded, and why it is not."""

    reason: Refusal
    key: dict[str, Any] = field(default_factory=dict)
    entry: dict[str, Any] = field(default_factory=dict)
    shut: bool = False
    state: VersionState | None = None


REFUSED = {
    "a key of users' tokens signs none of a device": No(reason=Refusal.NOT_ACTIVE, key={"purpose": Purpose.USER_TOKEN}),
    "a key of artifacts signs no token": No(reason=Refusal.NOT_ACTIVE, key={"purpose": Purpose.ARTIFACT}),
    "the key of the log signs no token": No(reason=Refusal.NOT_ACTIVE, key={"purpose": Purpose.LOG}),
    "another key than the version's is named": No(reason=Refusal.NOT_ACTIVE, entry={"key": "other"}),
    "another version is named": No(reason=Refusal.NOT_ACTIVE, entry={"version": 2}),
    "another public key is named": No(reason=Refusal.NOT_ACTIVE, entry={"fingerprint": "0" * 64}),
    "the version does not exist": No(reason=Refusal.NOT_ACTIVE, entry={"version_id": 4711}),
    "the version was superseded": No(reason=Refusal.NOT_ACTIVE, state=VersionState.PREVIOUS),
    "the version was switched off": No(reason=Refusal.NOT_ACTIVE, state=VersionState.DISABLED),
    "the version is in quarantine": No(reason=Refusal.NOT_ACTIVE, state=VersionState.QUARANTINED),
    "the version has made all its signatures": No(
        reason=Refusal.LIMIT_REACHED, key={"validity": Validity(signature_limit=0)}
    ),
    "the auth set is not accepted": No(reason=Refusal.SUBJECT_REFUSED, shut=True),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_token_is_refused_and_leaves_no_trace(desk: Desk, sentence: str) -> None:
    row = REFUSED[sentence]
    sent = desk.key("device-token", **row.key)
    if row.state is not None:
        key = desk.book.store.key("device-token")
        desk.book.store.change(key, [swap(key.versions[0], row.state)], [event(key=key.name)])
    if row.shut:
        desk.door.shut.add(sent.subject)
    size = desk.book.next_index()
    assert desk.send(again(sent, **row.entry)) == [Refused(reason=row.reason)]
    assert (desk.rows(), desk.book.next_index()) == ([], size)
    assert desk.book.store.key("device-token").versions[0].signature_count == 0


class TestBuckets:
    def test_an_auth_set_gets_a_burst_and_then_one_a_minute(self, desk: Desk) -> None:
        sent = desk.key("device-token")
        outcomes = desk.send(*(again(sent) for _ in range(12)))
        assert [isinstance(each, Recorded) for each in outcomes] == [True] * 10 + [False] * 2
        assert outcomes[-1] == Refused(reason=Refusal.TOKENS_LIMITED, retry_after=60.0)
        desk.clock.advance(seconds=59)
        assert desk.send(again(sent)) == [Refused(reason=Refusal.TOKENS_LIMITED, retry_after=1.0)]
        desk.clock.advance(seconds=1)
        assert isinstance(desk.send(again(sent))[0], Recorded)
        assert len(desk.rows()) == 11

    def test_each_has_a_bucket_of_its_own(self, desk: Desk) -> None:
        sent = desk.key("device-token")
        desk.send(*(again(sent) for _ in range(10)))
        assert isinstance(desk.send(again(sent, auth_set="other"))[0], Recorded)


def test_a_column_that_says_something_else_is_seen(desk: Desk) -> None:
    desk.send(desk.key("device-token"))
    (leaf,) = desk.leaves()
    for name, other in (("actor", "x"), ("key", "x"), ("key_version", 9)):
        assert name in (difference(leaf.leaf, {**leaf._mapping, name: other}) or "")


def test_the_first_time_that_the_tables_are_there_the_counter_is_zero(desk: Desk) -> None:
    with desk.book.database.reading() as connection:
        assert connection.execute(text("SELECT id, revision FROM device_state")).all() == [(1, 0)]
