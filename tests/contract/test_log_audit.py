"""Whoever can write the database changes the log: every column of every table, rows taken out and rows put in."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Table, create_engine, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from signer.domain.access.versions import Order
from signer.domain.api_tokens import NewApiToken, scope_of
from signer.domain.approvals import Requester
from signer.domain.events import Event, EventType
from signer.domain.floors import FloorSetting
from signer.log.check import Verdict
from signer.services.ports import Certificate
from signer.storage import tables
from signer.storage.access import LATER_POWER
from signer.storage.access_tables import version_floors
from signer.storage.database import Database
from signer.storage.floor_store import SqlFloorStore
from signer.storage.people_store import SqlPeopleStore
from signer.storage.schema import metadata
from signer.storage.tables import log_checkpoints, log_head, log_leaves, log_machines, log_tiles, signatures
from tests.support.approvals import assemble
from tests.support.audited_logs import AuditedLog, check_audited
from tests.support.clock import ManualClock
from tests.support.databases import Opener, begin_log, settings
from tests.support.postgres import Cluster
from tests.support.records import event
from tests.support.rows import slow_but
from tests.support.written_logs import KEY, note

LOG_TABLES = tuple(table for table in metadata.sorted_tables if table.name.startswith("log_"))
POWER_TABLES = (
    tables.keys,
    tables.versions,
    tables.certificates,
    tables.api_tokens,
    tables.access_state,
    *(table for table, _ in LATER_POWER),
    version_floors,
)
# Nothing that was signed tells these: they say which machine looked, and when, and stop nothing that is right.
TOLD_BY_NOTHING = {
    ("log_machines", "machine"), ("log_machines", "timeline"), ("log_machines", "seen_at"),
}  # fmt: skip
MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
# Counted and seen outside of the log, and no power.
COUNTERS = {("key_versions", "signature_count"), ("key_versions", "last_signed_at"), ("api_tokens", "last_used_at")}


def fill(log: AuditedLog) -> None:
    """A log with something in each of its tables."""
    log.sign(2)
    log.certify(machine="first")
    log.api_tokens.add(
        token_id="a" * 16, secret_sha256=bytes(32),
        new=NewApiToken(name="first", role="signer", scope=scope_of(["fw-*"], ["sign"]), expires_at=MOMENT),
        event=Event(type=EventType.API_TOKEN_CREATED, actor="test", key=None, version=None, before={}, after={}),
    )  # fmt: skip
    certificate = Certificate(pem="pem", chain_pem="", self_signed=True, not_after=MOMENT, created_at=MOMENT)
    log.store.add_certificate(log.store.key(KEY), 1, certificate, event(EventType.CERTIFICATE_ISSUED, key=KEY))
    fill_people(SqlPeopleStore(database=log.database, clock=ManualClock()))
    assembly = assemble(log.database, ManualClock(), people=("dan",))
    assembly.vote(assembly.ask(requester=Requester(identity="api-token:dan", person="dan")), "dan")
    floors = SqlFloorStore(database=log.database, clock=ManualClock())
    for device in ("board", "router"):
        setting = FloorSetting(place=(KEY, device, "rootfs"), order=Order.NUMERIC, version="7")
        floors.set(setting, actor="test", reason="a reason")
    log.sign(300)
    log.sign(4, again=True)
    log.certify()
    log.sign(3)
    log.certify(row=False)
    log.sign(1)


def fill_people(store: SqlPeopleStore) -> None:
    """Somebody with everything that is told of people."""
    changed = event(EventType.PERSON_CHANGED, key=None, version=None)
    store.add_person(name="ada", display="Ada", email="ada@example.org", event=changed)
    store.assign("ci:forge/17", "ada", changed)
    store.add_group("release", changed)
    store.add_member("release", "person:ada", changed)
    store.disable("ada", changed)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> tuple[Path, bytes]:
    """A database's file, and its newest checkpoint."""
    path = tmp_path_factory.mktemp("filled") / "signer.sqlite"
    shutil.copyfile(sqlite_template, path)
    database = Database(settings(f"sqlite:///{path}"))
    log = AuditedLog(database, ManualClock())
    fill(log)
    with database.reading() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    database.close()
    assert log.newest is not None
    return path, log.newest


@pytest.fixture(scope="module")
def filled_server(postgres_cluster: Cluster) -> tuple[Cluster, bytes]:
    """The same on a server, in the database ``filled``."""
    database = Database(settings(postgres_cluster.create_database("filled")))
    database.upgrade()
    begin_log(database)
    log = AuditedLog(database, ManualClock())
    fill(log)
    database.close()
    assert log.newest is not None
    return postgres_cluster, log.newest


Change = Callable[[Connection], object]
Changed = Callable[[Change], Verdict]


@pytest.fixture(params=["sqlite", "postgresql"])
def changed(request: pytest.FixtureRequest) -> Changed:
    """The verdict after a change by somebody whom no trigger stops."""
    changed: Changed = request.getfixturevalue(f"changed_on_{request.param}")
    return changed


@pytest.fixture
def changed_on_postgresql(filled_server: tuple[Cluster, bytes]) -> Iterator[Changed]:
    cluster, newest = filled_server
    with cluster.copied("filled", "changed") as url:
        database = Database(settings(url))

        def change(by: Change) -> Verdict:
            with database.writing() as connection:
                # Triggers and references alike.
                connection.execute(text("SET LOCAL session_replication_role = replica"))
                by(connection)
            return check_audited(database, newest)

        yield change
        database.close()


@pytest.fixture
def changed_on_sqlite(filled: tuple[Path, bytes], tmp_path: Path) -> Iterator[Changed]:
    path = tmp_path / "signer.sqlite"
    shutil.copyfile(filled[0], path)
    database = Database(settings(f"sqlite:///{path}"))

    def change(by: Change) -> Verdict:
        # As another program opens it: nothing looks after references there.
        stranger = create_engine(f"sqlite:///{path}")
        with stranger.begin() as connection:
            kept = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
            for name, _ in kept:
                connection.execute(text(f"DROP TRIGGER {name}"))
            by(connection)
            for _, made in kept:
                connection.execute(text(made))
        stranger.dispose()
        return check_audited(database, filled[1])

    yield change
    database.close()


def other(value: Any) -> Any:
    """Another value of this kind, as near as can be."""
    changes: dict[type, Callable[[Any], Any]] = {
        bytes: lambda value: value[:-1] + bytes([value[-1] ^ 1]) if value else b"\1",
        str: lambda value: value[:-1] + ("0" if value[-1:] != "0" else "1"),
        int: lambda value: value + 1,
        bool: lambda value: not value,
        datetime: lambda value: value + timedelta(microseconds=1),
        list: lambda value: [*value, "another"],
    }
    return changes[type(value)](value)


def cell(table: Table, column: Column[Any]) -> Change:
    """Change one column of a row in the middle."""

    def change(connection: Connection) -> None:
        rows = connection.execute(select(table).where(column.is_not(None)).order_by(*table.primary_key.columns)).all()
        if not rows:
            pytest.skip("no row has a value there")
        row = rows[len(rows) // 2]
        this = [key == getattr(row, key.name) for key in table.primary_key.columns]
        try:
            connection.execute(update(table).where(*this).values({column.name: other(getattr(row, column.name))}))
        except IntegrityError as error:
            pytest.skip(f"the database refuses: {error.orig}")

    return change


def test_a_log_that_nobody_changed_holds(changed: Changed) -> None:
    verdict = changed(lambda _: None)
    assert verdict.fault is None, verdict.fault and verdict.fault.sentence
    assert verdict.checkpoint is not None
    assert verdict.size == verdict.checkpoint.size + 1


TOLD = {
    table: [column for column in table.columns if (table.name, column.name) not in TOLD_BY_NOTHING | COUNTERS]
    for table in (*LOG_TABLES, signatures, *POWER_TABLES)
}
# For every change, one column of each table stands for the others: the last that always has a value.
FIRST = {table: [column for column in columns if not column.nullable][-1] for table, columns in TOLD.items()}
COLUMNS = [
    pytest.param(
        table, column, id=f"{table.name}.{column.name}", marks=() if column is FIRST[table] else pytest.mark.slow
    )
    for table, columns in TOLD.items()
    for column in columns
]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_every_column_of_every_table_is_compared(changed: Changed, table: Table, column: Column[Any]) -> None:
    fault = changed(cell(table, column)).fault
    assert fault is not None
    assert fault.sentence


def _row(table: Table, place: int) -> Change:
    identifier = next(iter(table.primary_key.columns))

    def change(connection: Connection) -> None:
        found = select(identifier).order_by(identifier).offset(place).limit(1).scalar_subquery()
        connection.execute(delete(table).where(identifier == found))

    return change


def _last_leaves(connection: Connection) -> None:
    last = select(func.max(log_leaves.c.id) - 5).scalar_subquery()
    connection.execute(delete(log_leaves).where(log_leaves.c.id > last))


def _one_more_leaf(connection: Connection) -> None:
    row = connection.execute(select(log_leaves).order_by(log_leaves.c.id.desc()).limit(1)).one()._mapping
    more = {"id": row["id"] + 1, "leaf_id": b"\1" * 16, "signature_id": None, "type": "something"}
    connection.execute(insert(log_leaves).values({**row, **more}))


def _swapped(connection: Connection) -> None:
    first, second = (connection.execute(select(log_leaves).where(log_leaves.c.id == at)).one() for at in (100, 101))
    for index, row in ((100, second), (101, first)):
        connection.execute(update(log_leaves).where(log_leaves.c.id == index).values(leaf=row.leaf, hash=row.hash))


def _planted_token(connection: Connection) -> None:
    token = {"id": "b" * 16, "name": "planted", "role": "administrator", "secret_sha256": bytes(32)}
    connection.execute(insert(tables.api_tokens).values(created_at=MOMENT, **token))


def _planted_signature(connection: Connection) -> None:
    row = connection.execute(select(signatures).limit(1)).one()._mapping
    connection.execute(insert(signatures).values({**row, "id": 100000, "manifest_sha256": "0" * 64}))


def _under_the_second_leaf(connection: Connection) -> None:
    """A signature that three leaves are about has the index of the second of them."""
    about = select(log_leaves.c.signature_id).group_by(log_leaves.c.signature_id).having(func.count() == 3).limit(1)
    first = connection.execute(about).scalar_one()
    connection.execute(update(log_leaves).where(log_leaves.c.signature_id == first).values(signature_id=first + 1))
    connection.execute(update(signatures).where(signatures.c.id == first).values(id=first + 1))


def _planted_event(connection: Connection) -> None:
    row = {"id": 1, "at": MOMENT, "type": "key-created", "actor": "x"}
    connection.execute(insert(tables.events_before_log).values(before={}, after={}, **row))


def _checkpoint_of(size: int, root: bytes, **key: Any) -> Change:
    return lambda connection: connection.execute(
        insert(log_checkpoints).values(size=size, note=note(size, root, **key))
    )


CHANGES: dict[str, Change] = {
    "a leaf taken out": _row(log_leaves, 100),
    "the first leaf taken out": _row(log_leaves, 0),
    "the last leaves taken out": _last_leaves,
    "a leaf that the head does not know": _one_more_leaf,
    "two leaves in each other's place": _swapped,
    "a tile taken out": _row(log_tiles, 0),
    "a signature taken out": _row(signatures, 50),
    "a signature that no leaf knows": _planted_signature,
    "a signature under another of its leaves": _under_the_second_leaf,
    "a tile of a level that is not there": lambda connection: connection.execute(
        insert(log_tiles).values(level=3, number=0, hashes=bytes(8192), root=bytes(32))
    ),
    "an API token put in": _planted_token,
    "an event of before put in": _planted_event,
    "a checkpoint by another key": _checkpoint_of(7, bytes(32), seed=9),
    "a checkpoint over another tree": _checkpoint_of(7, bytes(32)),
    "a checkpoint over more leaves than there are": _checkpoint_of(5000, bytes(32)),
    "what a machine saw of more leaves": lambda connection: connection.execute(update(log_machines).values(size=5000)),
    "no head": lambda connection: connection.execute(update(log_head).values(size=0, frontier=b"", root=bytes(32))),
}  # fmt: skip


@pytest.mark.parametrize(
    "sentence",
    slow_but(
        {
            "a leaf taken out",
            "two leaves in each other's place",
            "a signature that no leaf knows",
            "a signature under another of its leaves",
            "an API token put in",
            "a checkpoint over another tree",
            "no head",
        },
        CHANGES,
    ),
)
def test_rows_taken_out_and_put_in_are_found(changed: Changed, sentence: str) -> None:
    fault = changed(CHANGES[sentence]).fault
    assert fault is not None
    assert fault.sentence


@pytest.mark.parametrize("table", ["signatures", "log_leaves", "log_tiles", "log_checkpoints"])
def test_a_table_that_nothing_keeps_is_named(filled: tuple[Path, bytes], tmp_path: Path, table: str) -> None:
    path = tmp_path / "signer.sqlite"
    shutil.copyfile(filled[0], path)
    database = Database(settings(f"sqlite:///{path}"))
    with database.writing() as connection:
        connection.execute(text(f"DROP TRIGGER {table}_keep_delete"))
    fault = check_audited(database, filled[1]).fault
    database.close()
    assert fault is not None
    assert table in fault.sentence


class TestOnEachDatabase:
    """The same rows are read the same way."""

    @pytest.fixture
    def log(self, open_database: Opener, clock: ManualClock) -> AuditedLog:
        return AuditedLog(open_database(), clock)

    def test_a_sound_log_holds_while_it_grows(self, log: AuditedLog) -> None:
        first = log.certify(machine="first")
        log.sign(260)
        log.sign(2, again=True)
        log.certify()
        log.sign(1)
        verdict = log.check(since=[first])
        assert verdict.fault is None, verdict.fault and verdict.fault.sentence
        assert verdict.signatures == 260 + 6 + 1

    def test_a_sound_log_holds_while_others_write(self, log: AuditedLog) -> None:
        log.certify()
        ended = threading.Event()

        def write() -> None:
            while not ended.is_set():
                log.sign(1)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            faults = [log.check().fault for _ in range(8)]
        finally:
            ended.set()
            writer.join(20)
        assert faults == [None] * 8

    def test_a_changed_column_is_found(self, log: AuditedLog) -> None:
        log.sign(3)
        log.certify()
        with log.database.writing() as connection:
            connection.execute(update(log_head).values(at=MOMENT))
        fault = log.check().fault
        assert fault is not None
        assert "time" in fault.sentence
