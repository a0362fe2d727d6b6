"""The file of an SQLite database: opened and never made, and nothing else is written to than what was opened."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from signer.errors import DatabaseFileLost, DatabaseReadOnly
from signer.services.readiness import RETRY_SECONDS
from signer.storage.database import Database
from signer.storage.on_record import FILE_LOOK_SECONDS, SqliteOnRecord
from tests.support.databases import Opener, settings

READ, WRITE = text("SELECT count(*) FROM certificates"), text("DELETE FROM certificates")


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    opener = Opener(sqlite_url)
    yield opener()
    opener.close()


def write(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(WRITE)


def read(database: Database) -> None:
    with database.reading() as connection:
        connection.execute(READ)


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def delete(path: Path) -> None:
    path.unlink()


def delete_all(path: Path) -> None:
    for found in path.parent.glob(f"{path.name}*"):
        found.unlink()


def move_away(path: Path) -> None:
    path.rename(path.with_name("away"))


def restore_a_backup(path: Path) -> None:
    copy = path.with_name("backup")
    shutil.copyfile(path, copy)
    copy.rename(path)


def begin_anew(path: Path) -> None:
    delete_all(path)
    with closing(Database(settings(f"sqlite:///{path}"))) as other:
        other.upgrade()


def delete_the_log(path: Path) -> None:
    beside(path, "-wal").unlink()


def replace_the_log(path: Path) -> None:
    delete_the_log(path)
    beside(path, "-wal").touch()


LOSSES: dict[str, tuple[Callable[[Path], None], str]] = {
    "the file is deleted": (delete, "file missing"),
    "the file and its logs are deleted": (delete_all, "file missing"),
    "the file is moved away": (move_away, "file missing"),
    "a backup is put in its place": (restore_a_backup, "file replaced"),
    "a new database is made in its place": (begin_anew, "file replaced"),
    "the write-ahead log is deleted": (delete_the_log, "write-ahead log missing"),
    "the write-ahead log is replaced": (replace_the_log, "write-ahead log replaced"),
}


class TestLost:
    @pytest.mark.parametrize("use", [read, write])
    @pytest.mark.parametrize("sentence", LOSSES)
    def test_nothing_is_read_or_written_after(
        self, database: Database, path: Path, sentence: str, use: Callable[[Database], None]
    ) -> None:
        lose, found = LOSSES[sentence]
        write(database)
        lose(path)
        for _ in range(2):
            with pytest.raises(DatabaseFileLost) as refusal:
                use(database)
            assert refusal.value.facts == {"found": found}

    def test_what_was_committed_while_the_file_vanished_is_not_believed(self, database: Database, path: Path) -> None:
        def lose_it_meanwhile() -> None:
            with database.writing() as connection:
                connection.execute(WRITE)
                path.unlink()

        with pytest.raises(DatabaseFileLost):
            lose_it_meanwhile()

    def test_a_connection_that_is_opened_later_is_no_way_around_it(self, database: Database, path: Path) -> None:
        write(database)
        begin_anew(path)
        database.close()
        with pytest.raises(DatabaseFileLost):
            read(database)

    def test_a_file_that_is_put_back_is_used_again(self, database: Database, path: Path) -> None:
        write(database)
        away = path.with_name("away")
        path.rename(away)
        with pytest.raises(DatabaseFileLost):
            write(database)
        away.rename(path)
        write(database)

    def test_a_log_that_went_with_the_last_connection_is_no_loss(self, database: Database, path: Path) -> None:
        write(database)
        database.close()
        assert not beside(path, "-wal").exists()
        with closing(sqlite3.connect(path)) as other:  # another program was there in the meantime
            other.execute("DELETE FROM certificates")
            other.commit()
        write(database)


class TestLookedUp:
    """What workers look up at each request looks at the file now and then; the recorder, at each commit."""

    @pytest.mark.parametrize("sentence", LOSSES)
    def test_a_loss_is_found_out_at_the_next_look_and_remembered(
        self, database: Database, path: Path, sentence: str
    ) -> None:
        lose, found = LOSSES[sentence]
        file, now = database.sqlite_file, [100.0]
        assert file is not None
        with closing(SqliteOnRecord(file, monotonic=lambda: now[0])) as looking:
            asyncio.run(looking.find({(1, "digest")}))
            lose(path)
            now[0] += FILE_LOOK_SECONDS
            for _ in range(2):
                with pytest.raises(DatabaseFileLost) as refusal:
                    asyncio.run(looking.find({(1, "digest")}))
                assert refusal.value.facts == {"found": found}
                now[0] += FILE_LOOK_SECONDS / 2

    def test_requests_in_a_row_cost_one_look(
        self, database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file, looks = database.sqlite_file, []
        assert file is not None
        with closing(SqliteOnRecord(file, monotonic=lambda: 100.0)) as looking:
            asyncio.run(looking.access_revision())
            monkeypatch.setattr(Path, "stat", lambda path, **_: looks.append(path))
            for _ in range(10):
                asyncio.run(looking.find({(1, "digest")}))
            monkeypatch.undo()
        assert looks == []

    def test_a_look_is_at_least_as_often_as_readiness_is_proved(self) -> None:
        assert FILE_LOOK_SECONDS <= RETRY_SECONDS


class TestMade:
    @pytest.mark.parametrize("use", [read, write, Database.check_revision, Database.revisions])
    def test_nothing_but_an_upgrade_makes_the_file(self, tmp_path: Path, use: Callable[[Database], object]) -> None:
        path = tmp_path / "signer.sqlite"
        with closing(Database(settings(f"sqlite:///{path}"))) as database:
            with pytest.raises(DatabaseFileLost) as refusal:
                use(database)
            assert refusal.value.facts == {"found": "file missing"}
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
    def test_an_upgrade_makes_it_for_its_owner_alone(self, tmp_path: Path, mask: int) -> None:
        path = tmp_path / "a %23 name"
        before = os.umask(mask)
        try:
            with closing(Database(settings(f"sqlite:///{path}"))) as database:
                database.upgrade()
                assert {found.stat().st_mode & 0o777 for found in tmp_path.iterdir()} == {0o600}
                assert len(list(tmp_path.iterdir())) == 3
        finally:
            os.umask(before)

    def test_an_upgrade_takes_the_file_from_others_who_could_read_it(self, path: Path, database: Database) -> None:
        path.chmod(0o644)
        database.upgrade()
        assert path.stat().st_mode & 0o777 == 0o600

    def test_a_file_that_must_not_be_written_is_told(self, database: Database) -> None:
        with database.reading() as connection:
            connection.execute(text("PRAGMA query_only = ON"))
        with pytest.raises(DatabaseReadOnly):
            write(database)
