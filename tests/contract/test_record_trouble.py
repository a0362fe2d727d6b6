"""Records on a database in trouble: nobody waits for ever, nothing is lost, and nothing is written twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DatabaseError, DBAPIError

from signer.domain.keys import Key, Validity
from signer.domain.records import Recorded, Refusal, Refused
from signer.errors import DatabaseFull, DatabaseUnavailable
from signer.storage.database import Database
from signer.storage.tables import log_leaves, signatures
from tests.support.books import SqlBook, entry
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.postgres import Cluster
from tests.support.records import event as event_of
from tests.support.records import new_key, new_version


@pytest.fixture
def book(open_database: Opener, clock: ManualClock) -> SqlBook:
    return SqlBook(open_database(), clock)


@pytest.fixture
def postgres_book(postgres_url: str, clock: ManualClock) -> Iterator[SqlBook]:
    opener = Opener(postgres_url)
    yield SqlBook(opener(), clock)
    opener.close()


@contextmanager
def at_first_commit(database: Database, step: Callable[[Connection], None]) -> Iterator[list[int]]:
    """Takes ``step`` just before the first COMMIT; gives the number of COMMITs."""
    commits: list[int] = []

    def about_to_commit(connection: Connection) -> None:
        commits.append(1)
        if len(commits) == 1:
            step(connection)

    event.listen(database._engine, "commit", about_to_commit)
    try:
        yield commits
    finally:
        event.remove(database._engine, "commit", about_to_commit)


class TestNothingIsEverChanged:
    STEPS = (
        "UPDATE {} SET id = id",
        "UPDATE {} SET id = id + 100",
        "DELETE FROM {}",
        "DELETE FROM {} WHERE id = (SELECT max(id) FROM {})",
    )

    @pytest.mark.parametrize("table", [signatures.name, log_leaves.name])
    @pytest.mark.parametrize("step", STEPS)
    def test_the_database_refuses_it(self, book: SqlBook, table: str, step: str) -> None:
        book.record_many([entry(book.version(), access_revision=book.revision())])
        before = book.written()
        with pytest.raises(DBAPIError, match="records are never changed"), book.database.writing() as connection:
            connection.execute(text(step.format(table, table)))
        assert book.written() == before

    def test_postgresql_refuses_to_empty_them(self, postgres_book: SqlBook) -> None:
        with pytest.raises(DBAPIError, match="never changed"), postgres_book.database.writing() as connection:
            connection.execute(text("TRUNCATE log_leaves"))

    def test_a_record_has_a_signature_and_an_index_of_its_own(self, book: SqlBook) -> None:
        book.record_many([entry(book.version(), access_revision=book.revision())])
        (written,) = book.written()
        copy = (
            "INSERT INTO log_leaves SELECT {}, {}, type, at, actor, key, key_version, artifact, manifest_sha256, "
            f"checked, {{}}, leaf, hash, emergency FROM log_leaves WHERE id = {written.index}"
        )
        taken, free, signature = written.index, written.index + 1, "signature_id"
        new_id = "'x'" if book.database.dialect == "sqlite" else "'x'::bytea"
        for columns in (
            (taken, new_id, signature),
            (free, "leaf_id", signature),
            (free, new_id, 700),
            (free, new_id, signature),
        ):
            with pytest.raises(DatabaseError), book.database.writing() as connection:
                connection.execute(text(copy.format(*columns)))


class TestWaiting:
    SHORT = 0.3
    LONGEST = 5.0

    def test_a_lock_of_another_is_waited_for_no_longer_than_agreed(
        self, book: SqlBook, open_database: Opener, clock: ManualClock
    ) -> None:
        sent = entry(book.version(), access_revision=1 + book.revision())
        hurried = SqlBook(open_database(timeout=self.SHORT), clock)
        with book.database.writing() as connection:
            connection.execute(text("UPDATE key_versions SET state = state"))
            started = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                hurried.record_many([sent])
            assert time.monotonic() - started < self.LONGEST
        assert book.written() == []

    def test_who_moves_the_revision_waits_for_what_was_decided_under_it(
        self, book: SqlBook, open_database: Opener, clock: ManualClock
    ) -> None:
        sent = entry(book.version(), access_revision=book.revision())
        other = SqlBook(open_database(), clock)
        moving: list[Future[Key]] = []

        def move_meanwhile(_: Connection) -> None:
            moving.append(pool.submit(other.store.add_key, new_key("another"), new_version(), event_of(key="another")))
            with pytest.raises(TimeoutError):
                moving[0].result(self.SHORT)

        with ThreadPoolExecutor(1) as pool, at_first_commit(book.database, move_meanwhile):
            assert isinstance(book.record_many([sent])[0], Recorded)
            assert moving[0].result(self.LONGEST).name == "another"
        assert book.revision() > sent.access_revision


class TestLostDuringCommit:
    """Whether a lost COMMIT was one is found out by the records' ids."""

    @staticmethod
    def _lose(connection: Connection) -> None:
        driver = connection.connection.dbapi_connection
        driver.pgconn.finish()  # type: ignore[union-attr]

    @classmethod
    def _commit_and_lose(cls, connection: Connection) -> None:
        connection.connection.dbapi_connection.commit()  # type: ignore[union-attr]
        cls._lose(connection)

    @pytest.mark.parametrize("happened", [True, False], ids=["it was committed", "it was not"])
    def test_it_is_recorded_once(self, postgres_book: SqlBook, clock: ManualClock, happened: bool) -> None:
        book = postgres_book
        version, other = book.version(validity=Validity(signature_limit=2)), book.version()
        batch = [
            entry(version_id, number, access_revision=book.revision())
            for number, version_id in enumerate((version, other, version, version))
        ]
        with at_first_commit(book.database, self._commit_and_lose if happened else self._lose) as commits:
            outcomes = book.record_many(batch)
        assert len(commits) == 2
        assert [type(each) for each in outcomes[:3]] == [Recorded] * 3
        assert outcomes[3] == Refused(reason=Refusal.LIMIT_REACHED)
        assert [each.record_id for each in book.written()] == [each.record_id for each in batch[:3]]
        assert (book.signed(version)[0], book.signed(other)[0]) == (2, 1)
        assert [each.repeated for each in outcomes[:3] if isinstance(each, Recorded)] == [False] * 3

    def test_a_second_loss_is_told(self, postgres_book: SqlBook) -> None:
        sent = entry(postgres_book.version(), access_revision=postgres_book.revision())
        engine = postgres_book.database._engine
        event.listen(engine, "commit", self._lose)
        try:
            with pytest.raises(DatabaseUnavailable):
                postgres_book.record_many([sent])
        finally:
            event.remove(engine, "commit", self._lose)
        assert isinstance(postgres_book.record_many([sent])[0], Recorded)


class TestServerTrouble:
    def test_connections_that_were_ended_are_replaced(self, postgres_book: SqlBook, postgres_cluster: Cluster) -> None:
        version = postgres_book.version()
        for number in range(2):
            sent = entry(version, number, access_revision=postgres_book.revision())
            assert isinstance(postgres_book.record_many([sent])[0], Recorded)
            with postgres_cluster.connect("postgres") as connection:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shared'")

    def test_a_server_that_stands_still_is_given_up_in_time(
        self, postgres_book: SqlBook, postgres_url: str, postgres_cluster: Cluster, clock: ManualClock
    ) -> None:
        sent = entry(postgres_book.version(), access_revision=postgres_book.revision())
        opener = Opener(postgres_url)
        hurried = SqlBook(opener(timeout=0.5), clock)
        hurried.record_many([])
        with postgres_cluster.frozen():
            started = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                hurried.record_many([sent])
            assert time.monotonic() - started < 10.0
        outcome = postgres_book.record_many([sent])[0]
        assert isinstance(outcome, Recorded)
        opener.close()

    FAULTS = {  # noqa: RUF012  (a table)
        "one that gives way once is taken again": ("40001", 1, None),
        "a deadlock is taken again": ("40P01", 1, None),
        "one that gives way twice is told": ("40001", 2, DatabaseUnavailable),
        "a full disk is told as one": ("53100", 2, DatabaseFull),
    }

    @pytest.mark.parametrize("sentence", FAULTS)
    def test_errors_of_the_server(self, postgres_book: SqlBook, sentence: str) -> None:
        code, times, told = self.FAULTS[sentence]
        sent = entry(postgres_book.version(), access_revision=postgres_book.revision())
        with _raising(postgres_book.database, code, times):
            if told is None:
                assert isinstance(postgres_book.record_many([sent])[0], Recorded)
            else:
                with pytest.raises(told):
                    postgres_book.record_many([sent])
        assert len(postgres_book.written()) == (told is None)


@contextmanager
def _raising(database: Database, code: str, times: int) -> Iterator[None]:
    """The server fails to insert a signature, as often as asked."""
    made = (
        "CREATE SEQUENCE failures",
        f"""CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('failures') <= {times} THEN RAISE EXCEPTION 'failed' USING ERRCODE = '{code}'; END IF;
            RETURN NEW; END $$""",
        "CREATE TRIGGER failing BEFORE INSERT ON signatures FOR EACH ROW EXECUTE FUNCTION fail()",
    )
    removed = ("DROP TRIGGER failing ON signatures", "DROP FUNCTION fail", "DROP SEQUENCE failures")
    _run(database, made)
    try:
        yield
    finally:
        _run(database, removed)


def _run(database: Database, statements: tuple[str, ...]) -> None:
    with database.writing() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_a_full_disk_under_sqlite_is_told_as_one_and_passes(sqlite_url: str, clock: ManualClock) -> None:
    opener = Opener(sqlite_url)
    book = SqlBook(opener(), clock)
    version = book.version()
    _limit_pages(book.database, "0")
    large = {"devices": ["x" * 1024] * 12}
    with pytest.raises(DatabaseFull):
        book.record_many([entry(version, number, access_revision=book.revision(), seen=large) for number in range(30)])
    assert (book.written(), book.signed(version)) == ([], (0, None))
    _limit_pages(book.database, "1000000")
    outcome = book.record_many([entry(version, access_revision=book.revision(), seen=large)])[0]
    assert isinstance(outcome, Recorded)
    opener.close()


def _limit_pages(database: Database, count: str) -> None:
    """SQLite's own limit; a smaller one than the present size is the present size."""
    with database.reading() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count={count}" if count != "0" else "PRAGMA max_page_count=1")
