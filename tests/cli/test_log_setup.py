"""``artifact-signer log create`` and ``log resume``, and what ``serve`` says where the log is not as it has to be."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from signer.config import load_settings
from signer.domain.verified_log import VerifiedLog
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.database import Database
from signer.storage.log_reader import SqlLogReader
from tests.integration.running import Installation, command, initialise
from verifier.log import Checkpoint, NoteSignature, VerifierKey, open_checkpoint, parsed_leaf


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return initialise(tmp_path / "installation")


def run(installation: Installation, *arguments: str) -> tuple[int, str, str]:
    done = command(*arguments, "--config", installation.config)
    return done.returncode, done.stdout, done.stderr


def file_of(installation: Installation) -> CheckpointFile:
    return CheckpointFile(installation.directory / "log.checkpoint")


def leaves(installation: Installation) -> list[dict[str, object]]:
    with closing(Database(load_settings(installation.config, {}).database)) as database:
        reader = SqlLogReader(database=database)
        return [dict(parsed_leaf(leaf)) for leaf in reader.leaves(0, reader.head().size)]


def sql(installation: Installation, *statements: str) -> None:
    with closing(sqlite3.connect(installation.directory / "artifact-signer.sqlite")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


class TestCreate:
    def test_init_makes_the_log_with_its_key_and_its_file(self, installation: Installation) -> None:
        first, *others = leaves(installation)
        key = VerifierKey.parse((installation.directory / "log.vkey").read_text())
        assert (first["type"], first["origin"], first["keys"]) == ("log-created", key.name, [str(key)])
        assert {"access_revision", "access_sha256"} <= first.keys()
        assert {leaf["type"] for leaf in others} >= {"event-imported", "api-token-created"}
        saved = file_of(installation).read()
        assert open_checkpoint(saved.note, [key]).checkpoint.size == saved.log.size <= 1 + len(others)

    def test_once_more_changes_nothing(self, installation: Installation) -> None:
        before = leaves(installation), file_of(installation).path.read_bytes()
        code, output, errors = run(installation, "log", "create")
        assert (code, output) == (0, "")
        assert "found the log artifact-signer/" in errors
        assert "made key" not in errors
        assert (leaves(installation), file_of(installation).path.read_bytes()) == before

    def test_another_name_is_refused(self, installation: Installation) -> None:
        code, _, errors = run(installation, "log", "create", "--origin", "other.example/log")
        assert code == 1
        assert "for life" in errors

    @pytest.mark.parametrize("origin", ["", "two words", "a+b"])
    def test_a_name_that_no_log_has_is_refused(self, installation: Installation, origin: str) -> None:
        code, _, errors = run(installation, "log", "create", "--origin", origin)
        assert code == 1
        assert "name" in errors

    def test_a_token_that_is_not_configured_is_refused(self, installation: Installation) -> None:
        code, _, errors = run(installation, "log", "create", "--token", "elsewhere")
        assert code == 1
        assert "elsewhere" in errors

    @pytest.mark.parametrize("checkpoints", ["INSERT INTO log_checkpoints (size, note) VALUES (1, x'00')", "SELECT 1"])
    def test_a_file_that_is_lost_is_not_made_again(self, installation: Installation, checkpoints: str) -> None:
        sql(installation, checkpoints)
        file_of(installation).path.unlink()
        before = leaves(installation)
        code, _, errors = run(installation, "log", "create")
        assert code == 1
        assert "log resume --no-file" in errors
        assert not file_of(installation).path.exists()
        assert leaves(installation) == before

    def test_a_log_whose_leaves_are_gone_is_not_begun_again(self, installation: Installation) -> None:
        before = file_of(installation).path.read_bytes()
        empty(installation)
        code, _, errors = run(installation, "log", "create")
        assert (code, leaves(installation)) == (1, [])
        assert "it is an older state" in errors
        assert file_of(installation).path.read_bytes() == before


def empty(installation: Installation) -> None:
    sql(
        installation,
        "UPDATE log_head SET size = 0, root = x'', frontier = x'', at = NULL",
        "DROP TRIGGER log_leaves_keep_delete",
        "DELETE FROM log_leaves",
    )


class TestInterruptedCreation:
    """Between the file and the first leaf, between that and the file over it, and before ``log.vkey``."""

    @pytest.fixture
    def begun(self, installation: Installation) -> str:
        """The name of a log whose file is over no leaf yet."""
        path = file_of(installation).path
        path.unlink()
        key = VerifierKey.parse((installation.directory / "log.vkey").read_text())
        (installation.directory / "log.vkey").unlink()
        empty_log = VerifiedLog()
        text = str(Checkpoint(origin=key.name, size=0, root=empty_log.frontier.root))
        line = NoteSignature(name=key.name, id=key.id, payload=b"\x00" * 64)
        file_of(installation).create(note=f"{text}\n{line}\n".encode(), log=empty_log)
        return key.name

    def test_before_the_first_leaf_it_goes_on_under_the_name_of_the_file(
        self, installation: Installation, begun: str
    ) -> None:
        empty(installation)
        assert run(installation, "log", "create", "--origin", "other.example/log")[0] == 1
        assert leaves(installation) == []
        assert run(installation, "log", "create")[0] == 0
        assert leaves(installation)[0]["origin"] == begun
        self.finished(installation)

    def test_after_it_the_file_comes_to_cover_the_leaves(self, installation: Installation, begun: str) -> None:
        assert run(installation, "log", "create")[0] == 0
        self.finished(installation)

    def finished(self, installation: Installation) -> None:
        key = VerifierKey.parse((installation.directory / "log.vkey").read_text())
        saved = file_of(installation).read()
        assert open_checkpoint(saved.note, [key]).checkpoint.size == saved.log.size == len(leaves(installation))


class TestResume:
    def test_a_lost_file_is_made_from_the_verified_log(self, installation: Installation) -> None:
        file_of(installation).path.unlink()
        code, output, errors = run(installation, "log", "resume", "--no-file", "--json")
        assert code == 0
        told = json.loads(output)
        saved = file_of(installation).read()
        assert told["size"] == saved.log.size == len(leaves(installation))
        assert "compare size and root" not in errors

    def test_people_are_told_to_compare(self, installation: Installation) -> None:
        file_of(installation).path.unlink()
        _, output, errors = run(installation, "log", "resume", "--no-file")
        assert output.splitlines()[1].startswith("size ")
        assert "compare size and root" in errors

    def test_a_file_that_is_there_is_kept(self, installation: Installation) -> None:
        before = file_of(installation).path.read_bytes()
        code, _, errors = run(installation, "log", "resume", "--no-file")
        assert code == 1
        assert "log.checkpoint" in errors
        assert file_of(installation).path.read_bytes() == before

    @pytest.mark.parametrize("kind", ["BLOB", "TEXT"])
    def test_a_log_that_does_not_verify_gets_no_file(self, installation: Installation, kind: str) -> None:
        file_of(installation).path.unlink()
        sql(
            installation,
            "DROP TRIGGER log_leaves_keep_update",
            f"UPDATE log_leaves SET leaf = CAST(replace(leaf, 'actor', 'motor') AS {kind}) WHERE id = 0",
        )
        assert run(installation, "log", "resume", "--no-file")[0] == 1
        assert not file_of(installation).path.exists()

    @pytest.mark.parametrize("options", [(), ("--no-file", "--without", "machine")])
    def test_one_thing_has_to_be_named(self, installation: Installation, options: tuple[str, ...]) -> None:
        code, _, errors = run(installation, "log", "resume", *options)
        assert code == 2
        assert "say what to go on without" in errors

    def test_a_machine_that_is_not_there_is_named(self, installation: Installation) -> None:
        code, _, errors = run(installation, "log", "resume", "--without", "nobody")
        assert code == 1
        assert "no machine is named nobody" in errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is wrong, and what ``serve`` says."""

    change: Callable[[Installation], object]
    says: str


SERVE = {
    "no log": Row(
        change=lambda installation: sql(
            installation, "UPDATE log_head SET size = 0, root = x'00', frontier = x'', at = NULL"
        ),
        says="log create",
    ),
    "no file": Row(change=lambda installation: file_of(installation).path.unlink(), says="log resume --no-file"),
    "a file cut short": Row(
        change=lambda installation: file_of(installation).path.write_bytes(b""), says="cannot be believed"
    ),
    "an older database": Row(
        change=lambda installation: sql(
            installation, "UPDATE log_head SET size = 1, frontier = substr(frontier, 1, 32)"
        ),
        says="it is an older state",
    ),
}


@pytest.mark.parametrize("sentence", SERVE)
def test_serve_refuses_by_name(installation: Installation, sentence: str) -> None:
    row = SERVE[sentence]
    row.change(installation)
    code, _, errors = run(installation, "serve")
    assert code == 1
    assert row.says in errors
