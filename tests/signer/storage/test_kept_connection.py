"""A connection that is kept: as good as one that is taken each time, and taken once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from signer.errors import DatabaseFileLost, DatabaseUnavailable
from signer.storage.database import Database
from tests.support.databases import TIMEOUT, Opener


def count(database: Any) -> int:
    with database.reading() as connection:
        found: int = connection.execute(text("SELECT number FROM counted")).scalar_one()
    return found


def count_up(database: Any) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE counted SET number = number + 1"))


def count_up_and_fail(database: Any) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE counted SET number = number + 1"))
        raise ZeroDivisionError


def fail_reading(database: Any) -> None:
    with database.reading() as connection:
        connection.execute(text("SELECT number FROM counted"))
        raise ZeroDivisionError


@pytest.fixture
def opener(sqlite_url: str) -> Iterator[Opener]:
    made = Opener(sqlite_url)
    yield made
    made.close()


@pytest.fixture
def database(opener: Opener) -> Database:
    made = opener()
    with made.writing() as connection:
        connection.execute(text("CREATE TABLE counted (number INTEGER)"))
        connection.execute(text("INSERT INTO counted VALUES (0)"))
    return made


def taken(database: Database) -> list[object]:
    seen: list[object] = []
    event.listen(database._engine, "checkout", lambda connection, *_: seen.append(connection))
    return seen


def test_it_is_taken_once(database: Database) -> None:
    kept, seen = database.kept(), taken(database)
    for number in range(5):
        count_up(kept)
        assert count(kept) == number + 1
    assert len(seen) == 1


def test_others_see_what_it_committed_and_it_sees_what_others_did(database: Database, opener: Opener) -> None:
    kept, other = database.kept(), opener()
    for number in range(3):
        count_up(kept)
        assert count(other) == 2 * number + 1
        count_up(other)
        assert count(kept) == 2 * number + 2


@pytest.mark.parametrize("fail", [count_up_and_fail, fail_reading])
def test_after_an_error_another_is_taken_and_nothing_is_left_of_it(
    database: Database, opener: Opener, fail: Callable[[Any], None]
) -> None:
    kept, seen = database.kept(), taken(database)
    count_up(kept)
    with pytest.raises(ZeroDivisionError):
        fail(kept)
    # Nor is anything locked.
    count_up(opener(timeout=0.1))
    assert count(kept) == 2
    assert len(seen) == 2


@pytest.mark.parametrize("use", [count, count_up])
def test_nothing_stays_locked_between_two_uses(
    database: Database, opener: Opener, use: Callable[[Any], object]
) -> None:
    kept = database.kept()
    use(kept)
    count_up(opener(timeout=0.1))


def test_who_waits_for_the_lock_gives_it_up_at_the_deadline(database: Database, opener: Opener) -> None:
    kept = opener(timeout=0.1).kept()
    with database.writing(), pytest.raises(DatabaseUnavailable):
        count_up(kept)
    count_up(kept)
    assert count(kept) == 1


def test_given_back_it_waits_for_locks_as_all_others_do(database: Database) -> None:
    def waits(connection: Connection) -> int:
        return int(connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one())

    kept = database.kept()
    with pytest.raises(ZeroDivisionError):
        count_up_and_fail(kept)
    with database.reading() as connection:
        assert waits(connection) == TIMEOUT * 1000


@pytest.mark.parametrize("use", [count, count_up])
def test_a_file_that_is_lost_is_found_out_and_used_again_when_it_is_back(
    database: Database, sqlite_url: str, use: Callable[[Any], object]
) -> None:
    path, kept = Path(sqlite_url.removeprefix("sqlite:///")), database.kept()
    count_up(kept)
    away = path.with_name("away")
    path.rename(away)
    for _ in range(2):
        with pytest.raises(DatabaseFileLost):
            use(kept)
    away.rename(path)
    use(kept)


def test_what_was_committed_while_the_file_vanished_is_not_believed(database: Database, sqlite_url: str) -> None:
    kept = database.kept()

    def lose_it_meanwhile() -> None:
        with kept.writing() as connection:
            connection.execute(text("UPDATE counted SET number = number + 1"))
            Path(sqlite_url.removeprefix("sqlite:///")).unlink()

    with pytest.raises(DatabaseFileLost):
        lose_it_meanwhile()


def test_it_is_closed_with_its_database(database: Database, sqlite_url: str) -> None:
    count_up(database.kept())
    database.close()
    # With the last connection SQLite takes its log away.
    assert not Path(f"{sqlite_url.removeprefix('sqlite:///')}-wal").exists()


def test_a_server_is_asked_each_time_whether_the_connection_still_is(postgres_url: str) -> None:
    opened = Opener(postgres_url)
    database = opened()
    assert database.kept() is database
    opened.close()


def test_into_a_file_that_is_lost_nothing_is_written(database: Database, sqlite_url: str) -> None:
    kept, begun = database.kept(), []
    count_up(kept)
    Path(sqlite_url.removeprefix("sqlite:///")).unlink()
    with pytest.raises(DatabaseFileLost), kept.writing():
        begun.append(True)
    assert begun == []
