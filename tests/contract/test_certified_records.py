"""Whoever can write the database cannot make the recorder certify it: what it finds stops everything, by name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, text, update

from signer.domain.leaves import LeafDraft, LogEvent
from signer.domain.records import Recorded
from signer.domain.refusals import RefusedCall
from signer.domain.verified_log import VerifiedLog
from signer.errors import (
    AccessTampered,
    FailoverUnconfirmed,
    LogDamaged,
    LogForked,
    LogRolledBack,
    MachineNotFound,
    SignerError,
)
from signer.storage import record_statements as sql
from signer.storage.certified_records import CertifiedRecords
from signer.storage.database import Database
from signer.storage.failover import forget_machine
from signer.storage.log_append import append, lock_head
from signer.storage.log_reader import SqlLogReader
from signer.storage.tables import api_tokens, log_head, log_leaves, log_machines, versions
from tests.support.books import TOLERANCE, SqlBook, entry
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener
from verifier.log import Frontier, leaf_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A recorder's records on a database, and a version that signs."""

    book: SqlBook
    records: CertifiedRecords
    version: int
    clock: ManualClock

    @property
    def database(self) -> Database:
        """Their database."""
        return self.book.database

    def record(self, *manifests: object) -> list[Any]:
        """Signatures of these manifests."""
        revision = self.book.revision()
        return list(
            self.records.record_many([entry(self.version, each, access_revision=revision) for each in manifests])
        )


@pytest.fixture
def desk(database_url: str, clock: ManualClock) -> Iterator[Desk]:
    opener = Opener(database_url)
    book = SqlBook(opener(), clock)
    version = book.version()
    seconds = itertools.count(1)
    records = CertifiedRecords(
        # Connections of its own, as its process has them.
        database=opener(),
        clock=clock,
        clock_tolerance=TOLERANCE,
        log=whole_log(book.database),
        machine="one",
        failover_check=True,
        monotonic=lambda: float(next(seconds)),
    )
    yield Desk(book=book, records=records, version=version, clock=clock)
    opener.close()


@pytest.fixture
def postgres_desk(desk: Desk) -> Desk:
    if desk.database.dialect != "postgresql":
        pytest.skip("a file has no other primary")
    return desk


def whole_log(database: Database) -> VerifiedLog:
    """The log, verified from its first leaf."""
    reader = SqlLogReader(database=database)
    return VerifiedLog().extended(reader.leaves(0, reader.head().size))


def without_triggers(connection: Connection) -> None:
    """As whoever owns the database can do it."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        return
    for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
        connection.execute(text(f"DROP TRIGGER {name}"))


def rewrite_head(connection: Connection, frontier: Frontier) -> None:
    """Let the head be that of other leaves, consistently."""
    changes = {"size": frontier.size, "root": frontier.root, "frontier": b"".join(frontier.hashes)}
    connection.execute(update(log_head).values(changes))


def leaves_of(connection: Connection) -> list[bytes]:
    """All leaves."""
    return [bytes(leaf) for leaf in connection.execute(select(log_leaves.c.leaf).order_by(log_leaves.c.id)).scalars()]


def plant_a_token(connection: Connection) -> None:
    row = {"id": "0" * 16, "name": "planted", "role": "signer", "secret_sha256": bytes(32), "created_at": START}
    connection.execute(insert(api_tokens).values(row))


def raise_a_limit(connection: Connection) -> None:
    connection.execute(update(versions).values(signature_limit=1_000_000))


def put_an_old_state_back(connection: Connection) -> None:
    connection.execute(update(versions).values(state="disabled"))


def set_the_digest(connection: Connection) -> None:
    connection.execute(update(log_head).values(access_sha256="0" * 64))


def plant_and_set_the_digest(connection: Connection) -> None:
    from signer.storage.access import access_digest

    plant_a_token(connection)
    connection.execute(update(log_head).values(access_sha256=access_digest(connection)))


def take_the_last_leaf_away(connection: Connection) -> None:
    leaves = leaves_of(connection)
    connection.execute(text("DELETE FROM log_leaves WHERE id = :last"), {"last": len(leaves) - 1})
    rewrite_head(connection, Frontier().extended(map(leaf_hash, leaves[:-1])))


def rewrite_the_last_leaf(connection: Connection) -> None:
    *before, last = leaves_of(connection)
    other = last.replace(b'"actor":"', b'"actor":"x')
    changed = {"leaf": other, "hash": leaf_hash(other)}
    connection.execute(update(log_leaves).where(log_leaves.c.id == len(before)).values(changed))
    rewrite_head(connection, Frontier().extended(map(leaf_hash, [*before, other])))


def rewrite_the_first_leaf(connection: Connection) -> None:
    first, *after = leaves_of(connection)
    other = first.replace(b'"actor":"', b'"actor":"x')
    connection.execute(update(log_leaves).where(log_leaves.c.id == 0).values({"leaf": other, "hash": leaf_hash(other)}))
    rewrite_head(connection, Frontier().extended(map(leaf_hash, [other, *after])))


def rewrite_and_append(connection: Connection) -> None:
    rewrite_the_first_leaf(connection)
    head = lock_head(connection)
    append(connection, head, [LeafDraft(type=LogEvent.LOG_KEY_CHANGED, actor="x", members={}).leaf(at=START)])


def move_the_root_alone(connection: Connection) -> None:
    connection.execute(update(log_head).values(root=bytes(32)))


def move_the_frontier_alone(connection: Connection) -> None:
    hashes = bytes(connection.execute(select(log_head.c.frontier)).scalar_one())
    connection.execute(update(log_head).values(frontier=bytes(len(hashes))))


def claim_a_leaf_that_is_not_there(connection: Connection) -> None:
    rewrite_head(connection, lock_head(connection).frontier.extended([bytes(32)]))


def append_a_leaf_of_the_past(connection: Connection) -> None:
    draft = LeafDraft(type=LogEvent.LOG_KEY_CHANGED, actor="x", members={})
    append(connection, lock_head(connection), [draft.leaf(at=START - timedelta(days=9000))])


def append_a_change_of_another_state(connection: Connection) -> None:
    members = {"access_revision": 99, "access_before": "0" * 64, "access_sha256": "1" * 64}
    draft = LeafDraft(type=LogEvent.LOG_KEY_CHANGED, actor="x", members=members)
    append(connection, lock_head(connection), [draft.leaf(at=START)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What somebody does to the database, and what it is found to be."""

    change: Callable[[Connection], None]
    found: type[SignerError]


ROWS = {
    "an API token is planted": Row(change=plant_a_token, found=AccessTampered),
    "an API token is planted and the digest fits": Row(change=plant_and_set_the_digest, found=AccessTampered),
    "a limit is raised": Row(change=raise_a_limit, found=AccessTampered),
    "a state is put back": Row(change=put_an_old_state_back, found=AccessTampered),
    "the digest is changed": Row(change=set_the_digest, found=AccessTampered),
    "the last leaf is taken away, consistently": Row(change=take_the_last_leaf_away, found=LogRolledBack),
    "the last leaf is rewritten, consistently": Row(change=rewrite_the_last_leaf, found=LogForked),
    "the first leaf is rewritten, consistently": Row(change=rewrite_the_first_leaf, found=LogForked),
    "a leaf is rewritten and the log goes on": Row(change=rewrite_and_append, found=LogForked),
    "the root is changed": Row(change=move_the_root_alone, found=LogForked),
    "the frontier is changed": Row(change=move_the_frontier_alone, found=LogDamaged),
    "a leaf is claimed that is not there": Row(change=claim_a_leaf_that_is_not_there, found=LogDamaged),
    "a leaf of the past is appended": Row(change=append_a_leaf_of_the_past, found=LogDamaged),
    "a change of another state is appended": Row(change=append_a_change_of_another_state, found=LogDamaged),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_it_stops_everything(desk: Desk, sentence: str) -> None:
    row = ROWS[sentence]
    assert isinstance(desk.record("before")[0], Recorded)
    with desk.database.writing() as connection:
        without_triggers(connection)
        row.change(connection)
        size = connection.execute(select(log_head.c.size)).scalar_one()
    with pytest.raises(row.found):
        desk.record("after")
    # Nothing was added to what was found, and what was found once is found for good.
    assert SqlLogReader(database=desk.database).head().size == size
    for again in (lambda: desk.record("later"), desk.records.prove):
        with pytest.raises(row.found):
            again()


def test_what_was_found_is_found_for_good_even_where_it_is_undone(desk: Desk) -> None:
    with desk.database.writing() as connection:
        plant_a_token(connection)
    with pytest.raises(AccessTampered):
        desk.record("after")
    with desk.database.writing() as connection:
        connection.execute(delete(api_tokens).where(api_tokens.c.name == "planted"))
    with pytest.raises(AccessTampered):
        desk.record("later")


@pytest.mark.parametrize("sentence", ROWS)
def test_a_look_finds_it_too(desk: Desk, sentence: str) -> None:
    row = ROWS[sentence]
    desk.records.look()
    with desk.database.writing() as connection:
        without_triggers(connection)
        row.change(connection)
    with pytest.raises(row.found):
        desk.records.look()


def test_what_others_append_is_taken_over(desk: Desk) -> None:
    desk.record("before")
    other = desk.book.version()
    desk.book.move(other, desk.book.store.key("key-1").versions[0].state.__class__("disabled"))
    assert isinstance(desk.record("after")[0], Recorded)
    assert desk.records.verified == whole_log(desk.database)


def test_a_look_takes_it_over_too(desk: Desk) -> None:
    desk.book.version()
    desk.records.look()
    assert desk.records.verified == whole_log(desk.database)


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257])
def test_the_log_is_verified_as_it_is_stored(desk: Desk, count: int) -> None:
    desk.record(*range(count))
    assert desk.records.verified == whole_log(desk.database)


def test_a_bit_that_flips_between_hashing_and_inserting_stops_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    statements = type(sql.statements(desk.database.dialect))
    whole = statements.write

    def flipping(self: Any, connection: Connection, statement: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if statement == sql.ADD_LEAF:
            rows = [{**row, "leaf": row["leaf"].replace(b'"v":1', b'"v":0')} for row in rows]
        whole(self, connection, statement, rows)

    with monkeypatch.context() as patched:
        patched.setattr(statements, "write", flipping)
        with pytest.raises(LogForked):
            desk.record("flipped")
    with pytest.raises(LogForked):
        desk.record("after")


class TestFailover:
    """Another primary of PostgreSQL: the machines that were there confirm that it has what they certified."""

    @staticmethod
    def other(desk: Desk, timeline: str, **ago: float) -> None:
        """Another machine was there."""
        row = {"machine": "two", "timeline": timeline, "size": 1, "root": bytes(32)}
        with desk.database.writing() as connection:
            connection.execute(delete(log_machines).where(log_machines.c.machine == "two"))
            connection.execute(insert(log_machines).values({**row, "seen_at": desk.clock.now - timedelta(**ago)}))

    @staticmethod
    def timeline(desk: Desk) -> str:
        """The present one, as this machine has confirmed it."""
        with desk.database.reading() as connection:
            found = connection.execute(select(log_machines.c.timeline).where(log_machines.c.machine == "one"))
            return str(found.scalar_one())

    def test_a_machine_that_has_not_confirmed_is_waited_for(self, postgres_desk: Desk) -> None:
        self.other(postgres_desk, "before", hours=1)
        size = postgres_desk.records.verified.size
        for attempt in (lambda: postgres_desk.record("one"), postgres_desk.records.prove):
            with pytest.raises(FailoverUnconfirmed) as refused:
                attempt()
            assert refused.value.machines == ("two",)
        assert postgres_desk.records.verified.size == size
        self.other(postgres_desk, self.timeline(postgres_desk), hours=0)
        assert isinstance(postgres_desk.record("one")[0], Recorded)
        postgres_desk.records.prove()

    def test_a_machine_that_was_not_seen_for_a_day_is_not(self, postgres_desk: Desk) -> None:
        self.other(postgres_desk, "before", hours=24, seconds=1)
        assert isinstance(postgres_desk.record("one")[0], Recorded)

    def test_a_machine_that_is_gone_is_left_out_by_a_person(self, postgres_desk: Desk) -> None:
        self.other(postgres_desk, "before", hours=1)
        with pytest.raises(MachineNotFound) as refused:
            forget_machine(postgres_desk.database, "three")
        assert "two" in refused.value.known
        forget_machine(postgres_desk.database, "two")
        assert isinstance(postgres_desk.record("one")[0], Recorded)

    def test_a_machine_that_misses_leaves_confirms_nothing(self, postgres_desk: Desk) -> None:
        postgres_desk.records.prove()
        self.other(postgres_desk, self.timeline(postgres_desk), hours=0)
        postgres_desk.record("one")
        with postgres_desk.database.writing() as connection:
            without_triggers(connection)
            connection.execute(update(log_machines).where(log_machines.c.machine == "one").values(timeline="before"))
            take_the_last_leaf_away(connection)
        with pytest.raises(LogRolledBack):
            postgres_desk.records.prove()
        assert self.timeline(postgres_desk) == "before"

    def test_without_the_check_nobody_is_waited_for(self, postgres_desk: Desk, clock: ManualClock) -> None:
        self.other(postgres_desk, "before", hours=1)
        records = CertifiedRecords(
            database=postgres_desk.database,
            clock=clock,
            clock_tolerance=TOLERANCE,
            log=whole_log(postgres_desk.database),
            machine="one",
            failover_check=False,
            monotonic=lambda: 0.0,
        )
        sent = entry(postgres_desk.version, access_revision=postgres_desk.book.revision())
        assert isinstance(records.record_many([sent])[0], Recorded)


def test_other_leaves_are_appended_and_verified_too(desk: Desk) -> None:
    calls = [RefusedCall(identity=f"api-token:{number}", key="firmware", reason="no") for number in range(3)]
    size = desk.records.verified.size
    desk.records.tell([call.draft(suppressed=0) for call in calls])
    assert desk.records.verified == whole_log(desk.database)
    assert desk.records.verified.size == size + 3
    assert isinstance(desk.record("after")[0], Recorded)


def test_a_proof_writes_a_row_and_no_leaf(desk: Desk) -> None:
    before = SqlLogReader(database=desk.database).head()
    for _ in range(2):
        desk.records.prove()
    assert SqlLogReader(database=desk.database).head() == before
    with desk.database.reading() as connection:
        seen = connection.execute(text("SELECT machine, size FROM log_machines")).all()
    assert [tuple(row) for row in seen] == [("one", before.size)]


def test_a_checkpoint_is_written_with_the_next_records_or_by_itself(desk: Desk) -> None:
    reader = SqlLogReader(database=desk.database)
    desk.records.keep(1, b"first")
    assert reader.checkpoint() is None
    desk.record("one")
    assert reader.checkpoint() == b"first"
    desk.records.keep(2, b"second")
    desk.records.flush()
    assert reader.checkpoint() == b"second"
    # Of another machine, say: the first one stays.
    desk.records.keep(2, b"other")
    desk.records.flush()
    assert reader.checkpoint() == b"second"
