"""Migrations lead to exactly the tables that the program uses, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from signer.errors import DatabaseRevisionMismatch
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.database import Database, _alembic
from signer.storage.schema import metadata
from tests.support import rivals
from tests.support.crowd import Crowd
from tests.support.databases import Opener


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        (tmp_path / "empty.sqlite").touch()
        return f"sqlite:///{tmp_path}/empty.sqlite"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture
def database(empty_url: str) -> Iterator[Database]:
    opener = Opener(empty_url)
    yield opener()
    opener.close()


def tables(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(inspect(connection).get_table_names())


def described(connection: Connection) -> dict[str, object]:
    """What the comparison of alembic leaves out, too: the names and texts of all constraints and indexes."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": [{**column, "type": str(column["type"])} for column in inspector.get_columns(table)],
            "primary key": inspector.get_pk_constraint(table),
            "checks": sorted(inspector.get_check_constraints(table), key=str),
            "unique": sorted(inspector.get_unique_constraints(table), key=str),
            "foreign keys": sorted(inspector.get_foreign_keys(table), key=str),
            "indexes": sorted(
                (index["name"], index["unique"], index["column_names"], _where(index))
                for index in inspector.get_indexes(table)
            ),
        }
        for table in metadata.tables
    }


def _where(index: ReflectedIndex) -> list[str]:
    return [str(value) for name, value in index.get("dialect_options", {}).items() if name.endswith("_where")]


def test_the_migrations_make_what_the_program_uses(database: Database) -> None:
    database.upgrade()
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_constraints_and_indexes_are_the_same_by_name_and_text(database: Database) -> None:
    with database.writing() as connection:
        metadata.create_all(connection)
    with database.reading() as connection:
        wanted = described(connection)
    with database.writing() as connection:
        metadata.drop_all(connection)
    database.upgrade()
    with database.reading() as connection:
        assert described(connection) == wanted


def test_api_tokens_made_before_they_could_be_revoked_stay_valid(database: Database) -> None:
    configuration = _alembic()
    with database.writing() as connection:
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0001")
        connection.execute(
            text(
                "INSERT INTO api_tokens (id, name, role, secret_sha256, created_at) VALUES (:id, 'a', 'reader', :s, :t)"
            ),
            {"id": "0123456789abcdef", "s": b"s", "t": datetime(2030, 1, 1, tzinfo=UTC).isoformat(" ")},
        )
    database.upgrade()
    store = SqlApiTokenStore(database=database, clock=lambda: datetime(2030, 1, 2, tzinfo=UTC))
    found = store.find("0123456789abcdef")
    assert found is not None
    assert (found.token.name, found.token.role, found.secret_sha256) == ("a", "reader", b"s")
    assert (found.token.person, found.token.scope, found.token.expires_at) == (None, None, None)
    assert [token.revoked_at for token in store.all_tokens()] == [None]


def test_an_upgrade_may_be_repeated(database: Database) -> None:
    database.upgrade()
    database.upgrade()
    found, expected = database.revisions()
    assert found == expected
    database.check_revision()


def test_migrations_are_not_read_again_for_each_look(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    database.upgrade()
    database.check_revision()
    monkeypatch.setattr("signer.storage.database._scripts", lambda: pytest.fail("read again"))
    database.check_revision()


def test_an_empty_database_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseRevisionMismatch) as refusal:
        database.check_revision()
    assert refusal.value.found is None
    assert refusal.value.expected == database.revisions()[1]


@pytest.mark.parametrize("revision", ["9999", "", "0001x"])
def test_a_revision_that_this_release_does_not_know_is_refused(database: Database, revision: str) -> None:
    database.upgrade()
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": revision})
    for refused in (database.check_revision, database.upgrade):
        with pytest.raises(DatabaseRevisionMismatch) as refusal:
            refused()
        assert refusal.value.facts == {"found": revision, "expected": database.revisions()[1]}


def test_an_upgrade_that_fails_leaves_nothing(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE events (id INTEGER)"))
    with pytest.raises(Exception, match=r"exists|unavailable"):
        database.upgrade()
    assert tables(database) == {"events"}
    with database.writing() as connection:
        connection.execute(text("DROP TABLE events"))
    database.upgrade()
    assert tables(database) == {*metadata.tables, "alembic_version"}


def test_upgrades_at_once_are_one_upgrade(database: Database, empty_url: str, crowd: Crowd) -> None:
    assert crowd.everywhere(rivals.upgrade, empty_url) == [rivals.DONE, rivals.DONE]
    database.check_revision()
