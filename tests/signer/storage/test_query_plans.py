"""What is asked for each request finds its rows by an index, however many rows a table comes to have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from signer.domain.devices import DeviceStatus
from signer.services.device_ports import DeviceQuery
from signer.storage.ci_session_store import SqlCiSessionStore
from signer.storage.database import Database
from signer.storage.event_reader import read_events
from signer.storage.record_statements import ON_RECORD, RECORDS, SqliteStatements, statements
from signer.storage.token_subjects import accepted_auth_sets
from tests.support.books import SqlBook, entry
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener
from tests.support.device_office import Office
from tests.support.device_side import SomeDevice, new_key
from tests.support.foreign_lists import imported, importing_into, listed, written
from tests.support.issued_tokens import token_entry
from tests.support.rivals import ci_session, token_use

# Those with a row for each device, token, job or signature.
GROWING = {"devices", "auth_sets", "issued_tokens", "log_leaves", "log_tiles", "signatures", "used_ci_tokens"}

# Nearly all rows have the same value there: that is going through the table as well.
WIDE = ("USING INDEX ix_auth_sets_status (status=?)", "USING INDEX ix_issued_tokens_version_id (version_id=?)")


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    opener = Opener(sqlite_url)
    yield opener()
    opener.close()


@pytest.fixture
def office(database: Database, clock: ManualClock) -> Office:
    return Office(database=database, clock=clock)


def _goes_through(step: str) -> bool:
    scan = re.match(r"SCAN (\w+)", step)
    return step.endswith(WIDE) if scan is None else scan[1] in GROWING


@contextmanager
def scans(database: Database) -> Iterator[dict[str, list[str]]]:
    """By statement, how it goes through the whole of a growing table: as SQLite plans it while it runs."""
    found: dict[str, list[str]] = {}

    def explain(connection: Connection, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)\b", statement):
            driver: Any = connection.connection.dbapi_connection
            rows = driver.execute(f"EXPLAIN QUERY PLAN {statement}", values[0] if many else values).fetchall()
            steps = [row[3] for row in rows if _goes_through(row[3])]
            if steps:
                found[" ".join(statement.split())] = steps

    event.listen(database._engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(database._engine, "before_cursor_execute", explain)


def a_device_through_its_life(office: Office, _folder: Path) -> None:
    device = office.accepted()
    assert office.outcome(device) == "token"
    token = office.token(device)
    office.change_key(device, new_key(), token)
    office.store.holds(token.jti, office.set_of(device))
    office.store.revoke_token(token.jti, actor="ops")
    office.decide(device, "rejected")
    assert office.outcome(device) == "rejected"
    office.administration.decommission(office.known(device).id, actor="ops")
    assert office.outcome(SomeDevice(serial=device.serial, key=device.key)) != "token"
    office.preauthorize(SomeDevice(serial="SN-0043"))


def devices_of_another_server(office: Office, folder: Path) -> None:
    imported(importing_into(office), written(folder / "list", [listed(), listed("SN-0043", "pending")]))


def a_page_of_devices(office: Office, _folder: Path) -> None:
    office.store.devices(DeviceQuery(statuses=(DeviceStatus.ACCEPTED,), ids=(), page=1, per_page=20))


def a_job_begins_its_session(office: Office, _folder: Path) -> None:
    store = SqlCiSessionStore(database=office.database, clock=office.clock)
    store.begin(token_use(1, START), ci_session(1, START), "j" * 64)


def tokens_are_issued(office: Office, _folder: Path) -> None:
    # Of a long list of ids it is thought that it finds more rows than one status does.
    entries = [token_entry(auth_set=f"{number}") for number in range(100)]
    with office.database.reading() as connection:
        accepted_auth_sets(connection, statements(office.database.dialect), entries)


def a_signature(office: Office, _folder: Path) -> None:
    book = SqlBook(office.database, ManualClock(START))
    book.record_many([entry(book.version(), access_revision=book.revision())])


def events_of_a_key(office: Office, _folder: Path) -> None:
    with office.database.reading() as connection:
        read_events(connection, after=0, limit=10, key="firmware")


Scene = Callable[[Office, Path], None]
SCENES: tuple[Scene, ...] = (
    a_device_through_its_life,
    devices_of_another_server,
    a_page_of_devices,
    a_job_begins_its_session,
    tokens_are_issued,
    a_signature,
    events_of_a_key,
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_no_growing_table_is_gone_through(scene: Scene, office: Office, tmp_path: Path) -> None:
    with scans(office.database) as found:
        scene(office, tmp_path)
    assert found == {}


@pytest.mark.parametrize(("statement", "values"), [(ON_RECORD, {"digests": "[]"}), (RECORDS, {"ids": "[]"})])
def test_what_is_on_record_is_found_by_indexes(database: Database, statement: str, values: dict[str, str]) -> None:
    with database.reading() as connection:
        driver: Any = connection.connection.dbapi_connection
        rows = driver.execute(f"EXPLAIN QUERY PLAN {SqliteStatements().text(statement)}", values).fetchall()
    steps = [row[3] for row in rows]
    assert [step for step in steps if _goes_through(step)] == []
    assert sum("USING INDEX" in step for step in steps) == statement.count("FROM")


def test_one_that_is_gone_through_would_be_seen(database: Database) -> None:
    with scans(database) as found, database.reading() as connection:
        connection.execute(text("SELECT id FROM devices WHERE updated_at > '2026'"))
    assert list(found.values()) == [["SCAN devices"]]
