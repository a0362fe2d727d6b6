"""Whoever can write the database cannot make the recorder certify it: what it finds stops everything, by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select, text

from signer.domain.records import Recorded
from signer.domain.refusals import RefusedCall
from signer.errors import (
    AccessTampered,
    LogForked,
)
from signer.storage import record_statements as sql
from signer.storage.log_reader import SqlLogReader
from signer.storage.tables import api_tokens, log_head, log_machines
from tests.support.clock import ManualClock
from tests.support.desks import Desk, made_desk, whole_log
from tests.support.tampering import TAMPERINGS, plant_a_token, without_triggers


@pytest.fixture
def desk(database_url: str, clock: ManualClock) -> Iterator[Desk]:
    with made_desk(database_url, clock) as made:
        yield made


@pytest.mark.parametrize("sentence", TAMPERINGS)
def test_it_stops_everything(desk: Desk, sentence: str) -> None:
    row = TAMPERINGS[sentence]
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


@pytest.mark.parametrize("sentence", TAMPERINGS)
def test_a_look_finds_it_too(desk: Desk, sentence: str) -> None:
    row = TAMPERINGS[sentence]
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

    def flipped(value: Any) -> Any:
        return value.replace(b'"v":1', b'"v":0') if isinstance(value, bytes) else value

    def flipping(self: Any, connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        if statement == sql.ADD_LEAF:
            rows = [[flipped(value) for value in row] for row in rows]
        whole(self, connection, statement, rows)

    with monkeypatch.context() as patched:
        patched.setattr(statements, "write", flipping)
        with pytest.raises(LogForked):
            desk.record("flipped")
    with pytest.raises(LogForked):
        desk.record("after")


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
        seen = connection.execute(select(log_machines.c.machine, log_machines.c.size, log_machines.c.root)).one()
    assert tuple(seen) == ("one", before.size, before.root)
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
