"""The engine: how it is set up, and what becomes of a database in trouble."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text

from signer.config import DatabaseSettings
from signer.errors import (
    ConfigurationInvalid,
    DatabaseFileLost,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
    SignerError,
)
from signer.storage.database import Database, retried
from signer.storage.tables import api_tokens
from tests.support.clock import START
from tests.support.databases import Opener, settings
from tests.support.postgres import Cluster


class TestSettings:
    def test_sqlite_is_durable_and_checks_references(self, sqlite_url: str) -> None:
        opener = Opener(sqlite_url)
        database = opener()
        wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
        for enter in (database.reading, database.writing):
            with enter() as connection:
                found = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in wanted}
            assert found == wanted
        opener.close()

    def test_reading_from_sqlite_says_nothing_that_nobody_asked(self, sqlite_url: str) -> None:
        # A PRAGMA at each turn would have the connection forget all statements that it has prepared.
        opener = Opener(sqlite_url)
        database = opener()
        said: list[str] = []
        with database.reading() as connection:
            driver = connection.connection.dbapi_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.set_trace_callback(said.append)
        for _ in range(3):
            with database.reading() as connection:
                connection.execute(text("SELECT 1"))
        driver.set_trace_callback(None)
        assert said == ["SELECT 1"] * 3
        opener.close()

    def test_a_password_comes_from_its_file_and_is_not_shown(self, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("hunter2\n")
        database = Database(
            DatabaseSettings(
                url="postgresql+psycopg://signer@db.example/keys", password_file=tmp_path / "password", timeout=1.0
            )
        )
        url = database._engine.url
        assert url.password == "hunter2"
        assert "hunter2" not in repr(database._engine) + str(url)
        database.close()

    def test_a_password_file_that_is_missing_is_a_matter_of_configuration(self, tmp_path: Path) -> None:
        wanted = DatabaseSettings(
            url="postgresql+psycopg://signer@db.example/keys", password_file=tmp_path / "password", timeout=1.0
        )
        with pytest.raises(ConfigurationInvalid) as refusal:
            Database(wanted)
        assert "password_file" in refusal.value.problems[0]

    def test_without_the_driver_one_sentence_says_what_installs_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(ConfigurationInvalid) as refusal:
            Database(settings("postgresql+psycopg://signer@db.example/keys"))
        (problem,) = refusal.value.problems
        assert "pip install 'artifact-signer[postgres]'" in problem


class TestTransactions:
    def test_an_error_rolls_back(self, open_database: Opener) -> None:
        database = open_database()
        with pytest.raises(ZeroDivisionError), database.writing() as connection:
            assert connection.execute(text("DELETE FROM alembic_version")).rowcount / 0
        database.check_revision()

    def test_a_write_is_seen_when_it_is_over_and_not_before(self, open_database: Opener) -> None:
        writer, reader = open_database(), open_database()

        def count() -> int:
            with reader.reading() as connection:
                found: int = connection.execute(select(func.count()).select_from(api_tokens)).scalar_one()
            return found

        row = {"id": "0", "name": "a", "role": "reader", "secret_sha256": b"", "created_at": START}
        with writer.writing() as connection:
            connection.execute(insert(api_tokens).values(row))
            assert count() == 0
        assert count() == 1

    def test_a_write_that_begins_with_a_read_does_not_fail_for_it(self, open_database: Opener) -> None:
        database = open_database()
        with database.writing() as connection:
            connection.execute(text("CREATE TABLE counted (number INTEGER)"))
            connection.execute(text("INSERT INTO counted VALUES (0)"))
        try:
            if database.dialect == "sqlite":
                _count_up_in_threads(database, "UPDATE counted SET number = :read + 1")
            else:
                _count_up_in_threads(database, "UPDATE counted SET number = number + 1")
            with database.reading() as connection:
                assert connection.execute(text("SELECT number FROM counted")).scalar() == 40
        finally:
            with database.writing() as connection:
                connection.execute(text("DROP TABLE counted"))


def _count_up_in_threads(database: Database, statement: str) -> None:
    def work() -> None:
        for _ in range(10):
            with database.writing() as connection:
                read = connection.execute(text("SELECT number FROM counted")).scalar()
                connection.execute(text(statement), {"read": read} if ":read" in statement else {})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is not a database, it only has its name " * 200)


def _damaged(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xff" * (len(raw) - 4096)
    path.write_bytes(raw)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _gone(path: Path) -> None:
    path.unlink()


BROKEN: dict[str, Callable[[Path], None]] = {
    "the file is something else": _garbage,
    "the file is damaged": _damaged,
    "the file is a directory": _directory,
    "the file is gone": _gone,
}


SQLSTATES: dict[str, type[SignerError]] = {
    "53100": DatabaseFull,  # disk_full
    "25006": DatabaseReadOnly,  # read_only_sql_transaction
    "40001": DatabaseUnavailable,  # serialization_failure
    "40P01": DatabaseUnavailable,  # deadlock_detected
    "57P01": DatabaseUnavailable,  # admin_shutdown
}


class TestServerTrouble:
    @pytest.mark.parametrize("state", SQLSTATES)
    def test_what_a_server_refuses_with_is_a_refusal_of_ours(self, postgres_url: str, state: str) -> None:
        opener = Opener(postgres_url)
        database = opener()
        refuse = text(f"DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{state}'; END $$")
        with pytest.raises(SQLSTATES[state]), database.writing() as connection:
            connection.execute(refuse)
        opener.close()

    def test_a_server_that_takes_no_writes_after_a_failover(self, postgres_url: str, postgres_cluster: Cluster) -> None:
        opener = Opener(postgres_url)
        with postgres_cluster.connect("shared") as admin:
            admin.execute("ALTER DATABASE shared SET default_transaction_read_only = on")
            try:
                database = opener()
                database.check_revision()
                with pytest.raises(DatabaseReadOnly), database.writing() as connection:
                    connection.execute(text("DELETE FROM certificates"))
            finally:
                admin.execute("SET default_transaction_read_only = off")
                admin.execute("ALTER DATABASE shared RESET default_transaction_read_only")
        opener.close()

    @pytest.mark.parametrize(("state", "attempts"), [("40001", 2), ("40P01", 2), ("57P01", 1)])
    def test_what_gave_way_is_taken_once_more_and_not_for_ever(
        self, postgres_url: str, state: str, attempts: int
    ) -> None:
        opener, taken = Opener(postgres_url), []
        database = opener()

        @retried
        def transaction() -> None:
            taken.append(1)
            with database.writing() as connection:
                connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"))

        with pytest.raises(DatabaseUnavailable):
            transaction()
        opener.close()
        assert len(taken) == attempts


class TestTrouble:
    @pytest.mark.parametrize("sentence", BROKEN)
    def test_a_broken_file_is_a_refusal_of_ours(self, sqlite_url: str, sentence: str) -> None:
        BROKEN[sentence](Path(sqlite_url.removeprefix("sqlite:///")))
        opener = Opener(sqlite_url)
        database = opener()
        with pytest.raises(SignerError):
            database.check_revision()
        opener.close()

    @pytest.mark.parametrize("sentence", sorted(BROKEN.keys() - {"the file is gone"}))
    def test_a_file_that_breaks_under_a_running_service_is_a_refusal_of_ours(
        self, sqlite_url: str, sentence: str
    ) -> None:
        opener = Opener(sqlite_url)
        database = opener()
        database.check_revision()
        database.close()
        BROKEN[sentence](Path(sqlite_url.removeprefix("sqlite:///")))
        with pytest.raises(SignerError), database.writing() as connection:
            connection.execute(text("DELETE FROM certificates"))
        opener.close()

    def test_a_directory_that_is_not_there(self, tmp_path: Path) -> None:
        database = Database(settings(f"sqlite:///{tmp_path}/missing/signer.sqlite"))
        with pytest.raises(DatabaseFileLost):
            database.check_revision()

    def test_a_disk_that_is_full(self, sqlite_url: str) -> None:
        opener = Opener(sqlite_url)
        database = opener()
        with database.reading() as connection:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        with pytest.raises(DatabaseFull), database.writing() as connection:
            connection.execute(text("CREATE TABLE large AS SELECT randomblob(1000000) AS content"))
        opener.close()

    def test_a_write_waits_for_another_no_longer_than_agreed(self, sqlite_url: str) -> None:
        opener = Opener(sqlite_url)
        database = opener(timeout=1.0)
        path = sqlite_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            started = time.monotonic()
            with pytest.raises(DatabaseUnavailable), database.writing():
                pytest.fail("it was let in")
            waited = time.monotonic() - started
            with database.reading() as connection:
                assert connection.execute(text("SELECT count(*) FROM certificates")).scalar() == 0
        assert 1.0 <= waited < 1.4
        with database.writing():
            pass
        opener.close()

    def test_more_callers_than_connections_wait_no_longer_than_agreed(self, open_database: Opener) -> None:
        database = open_database(timeout=1.0)
        size = 15  # what the pool holds, with its overflow
        entered = [database.reading() for _ in range(size)]
        for context in entered:
            context.__enter__()
        with pytest.raises(DatabaseUnavailable), database.reading():
            pytest.fail("there was one more")
        for context in entered:
            context.__exit__(None, None, None)
        database.check_revision()
