"""An installation of the last release without a policy, with leaves: upgraded, started, signing, and still one log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command as alembic
from sqlalchemy import MetaData, create_engine, insert, select

from signer.bootstrap import utc_now
from signer.domain.access.presets import ROLES_TEXT
from signer.domain.records import Recorded
from signer.domain.verified_log import VerifiedLog
from signer.storage.access import access_digest
from signer.storage.certified_records import CertifiedRecords
from signer.storage.database import Database, _alembic
from signer.storage.first_policy import first_policy
from signer.storage.log_audit import SqlLogAudit
from signer.storage.log_reader import SqlLogReader
from signer.storage.policy_store import SqlPolicyStore
from tests.artifacts import ArtifactBuilder
from tests.integration.running import Installation, command, running
from tests.support.books import TOLERANCE, entry
from tests.support.databases import settings
from tests.support.releases import unpacked
from tests.support.rows import slow_but
from verifier.log import parsed_leaf

SIZE = 12  # leaves of the old release


@pytest.fixture
def old(tmp_path: Path) -> Installation:
    return unpacked("before-access", tmp_path)


def upgrade(installation: Installation) -> None:
    done = command("database", "upgrade", "--config", installation.config)
    assert done.returncode == 0, done.stderr


def verified(installation: Installation) -> int:
    """Leaves of the log, which holds."""
    done = command("log", "verify", "--config", installation.config, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return int(json.loads(done.stdout)["size"])


COMMANDS = {
    "serving": ["serve"],
    "showing the policy": ["policy", "show"],
    "applying a policy": ["policy", "apply", "POLICY", "--reason", "x"],
    "making a person": ["people", "create", "ada"],
    "making a backup": ["backup", "DIRECTORY"],
}


@pytest.mark.parametrize("sentence", slow_but({"serving"}, COMMANDS))
def test_a_database_that_is_older_is_refused_with_the_command_that_brings_it_here(
    old: Installation, tmp_path: Path, sentence: str
) -> None:
    (tmp_path / "policy.toml").write_text(ROLES_TEXT)
    places = {"POLICY": tmp_path / "policy.toml", "DIRECTORY": tmp_path / "backup"}
    words: list[str | Path] = [places.get(word, word) for word in COMMANDS[sentence]]
    done = command(*words, "--config", old.config)
    assert done.returncode == 1
    assert "revision 0006" in done.stderr
    assert "artifact-signer database upgrade" in done.stderr


@pytest.mark.slow
def test_an_installation_goes_on(old: Installation) -> None:
    upgrade(old)
    # The first policy, and the certificate that is shown.
    assert verified(old) == SIZE + 2
    shown = command("policy", "show", "--config", old.config)
    assert (shown.returncode, shown.stdout) == (0, ROLES_TEXT)
    with running(old, SERVER_WORKERS="1"):
        builder = (old.directory / "ci.token").read_text().strip()
        with old.http(headers={"Authorization": f"Bearer {builder}"}) as http:
            again = http.post("/v1/keys/firmware/signatures", content=ArtifactBuilder(name="release-1").build())
            new = http.post("/v1/keys/firmware/signatures", content=ArtifactBuilder(name="release-9").build())
            other = http.post("/v1/keys", json={"name": "other", "algorithm": "ecdsa-p256"})
        assert (again.status_code, new.status_code, other.status_code) == (200, 200, 403), new.text
        assert again.json()["index"] < SIZE < new.json()["index"]
    assert verified(old) >= SIZE + 4


def test_the_leaf_of_the_first_policy_is_the_next_one(old: Installation) -> None:
    upgrade(old)
    with closing(Database(settings(f"sqlite:///{old.directory}/artifact-signer.sqlite"))) as database:
        leaf, after = map(parsed_leaf, SqlLogReader(database=database).leaves(SIZE, SIZE + 2))
        assert SqlPolicyStore(database=database, clock=utc_now).current().revision == 1
    assert (leaf["type"], leaf["actor"]) == ("policy-applied", "artifact-signer database upgrade")
    assert leaf["access_before"] != leaf["access_sha256"]
    assert (after["type"], after["after"]["server"]) == ("server-certificate-imported", "server")  # type: ignore[index,call-overload]


def test_a_database_that_was_tampered_with_is_not_upgraded(old: Installation) -> None:
    path = old.directory / "artifact-signer.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE api_tokens SET role = 'administrator'")
    engine.dispose()
    before = path.read_bytes()
    done = command("database", "upgrade", "--config", old.config)
    assert done.returncode == 1
    assert "no leaf" in done.stderr or "tells" in done.stderr or "access" in done.stderr
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "0006"
    engine.dispose()
    assert len(path.read_bytes()) == len(before)


@pytest.fixture
def old_postgres(old: Installation, empty_postgres_url: str) -> Iterator[Database]:
    """The rows of the old installation, in PostgreSQL at the revision of that release."""
    with closing(Database(settings(empty_postgres_url))) as database:
        configuration = _alembic()
        with database.writing() as connection:
            configuration.attributes["connection"] = connection
            alembic.upgrade(configuration, "0006")
        file = create_engine(f"sqlite:///{old.directory}/artifact-signer.sqlite")
        with file.connect() as source, database.writing() as target:
            target.exec_driver_sql("SET LOCAL session_replication_role = replica")
            found, wanted = MetaData(), MetaData()
            found.reflect(source)
            wanted.reflect(target)
            for table in wanted.sorted_tables:
                if table.name != "alembic_version":
                    target.execute(table.delete())
                    for row in source.execute(select(found.tables[table.name])).mappings():
                        target.execute(insert(table), _as_postgres(dict(row)))
        file.dispose()
        yield database


def _as_postgres(row: dict[str, object]) -> dict[str, object]:
    """Times of SQLite are UTC and say no zone."""
    from datetime import UTC, datetime

    return {name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in row.items()}


def test_on_postgresql_too(old_postgres: Database) -> None:
    old_postgres.upgrade(then=first_policy(utc_now))
    reader = SqlLogReader(database=old_postgres)
    head = reader.head()
    assert head.size == SIZE + 1
    with old_postgres.reading() as connection:
        assert access_digest(connection) == head.access_sha256
    facts = SqlLogAudit(database=old_postgres).facts()
    assert (facts.access_found, facts.unkept) == (facts.access_sha256, ())
    records = CertifiedRecords(
        database=old_postgres, clock=utc_now, clock_tolerance=TOLERANCE,
        log=VerifiedLog().extended(reader.leaves(0, head.size)), machine="one", failover_check=False,
        monotonic=lambda: 0.0,
    )  # fmt: skip
    (outcome,) = records.record_many([entry(1, "new")])
    assert not isinstance(outcome, Recorded)  # decided under no revision that is now
