"""A backup of a service that runs, put back when it is the newest and when it is not."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from signer.bootstrap import utc_now
from signer.config import load_settings
from signer.storage.database import Database
from tests.integration.running import Installation, command, initialise, running
from tests.support.approvals import assemble

SETTINGS = {"SERVER_WORKERS": "1", "READINESS_INTERVAL": "1"}


def sign(installation: Installation, number: int) -> int:
    """Ask for the signature of a manifest that no other number has; gives the status."""
    manifest = f"{number:064x}  version\n{number:064x}  header.tar.gz\n".encode()
    with installation.http() as http:
        return http.post("/v1/keys/firmware/signatures", content=manifest).status_code


def let_something_wait(installation: Installation) -> None:
    """For approvals, of which it has one."""
    with closing(Database(load_settings(installation.config, {}).database)) as database:
        assembly = assemble(database, utc_now)
        assembly.vote(assembly.ask(), "ada")


def here(installation: Installation, *arguments: str | Path) -> tuple[int, str]:
    """A command on the installation; gives its exit status and what it said."""
    done = command(*arguments, "--config", installation.config)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A service that has signed, made a backup, and signed again; it is stopped."""
    made = initialise(tmp_path / "installation")
    with running(made, **SETTINGS):
        assert made.run("keys", "create", "firmware", "--algorithm", "ecdsa-p256").returncode == 0
        assert [sign(made, number) for number in range(3)] == [200] * 3
        let_something_wait(made)
        code, said = here(made, "backup", tmp_path / "backup")
        assert code == 0, said
        assert "keep as well" in said
        assert sign(made, 3) == 200
        done = made.run("log", "verify", "--log-key", made.directory / "log.vkey")
        assert done.returncode == 0, done.stderr
        assert "signatures  4" in done.stdout
    return made


@pytest.mark.slow
def test_an_older_backup_is_refused_and_then_gone_on_from_knowingly(installation: Installation, tmp_path: Path) -> None:
    code, said = here(installation, "restore", tmp_path / "backup")
    assert (code, "has seen" in said) == (1, True), said
    before = (installation.directory / "log.vkey").read_text()
    code, said = here(installation, "restore", tmp_path / "backup", "--accept-rollback", "--reason", "the disk is lost")
    assert code == 0, said
    assert "1 API tokens are suspended" in said
    # Another name, and another key: whoever has the old one can say nothing under the new name.
    after = (installation.directory / "log.vkey").read_text()
    assert all(new != old for new, old in zip(after.split("+", 2), before.split("+", 2), strict=True))
    with running(installation, **SETTINGS):
        assert sign(installation, 3) == 401
        code, said = here(installation, "api-tokens", "reinstate", "admin", "--reason", "never revoked")
        assert code == 0, said
        assert sign(installation, 3) == 200
        done = installation.run("log", "verify", "--log-key", installation.directory / "log.vkey")
        assert done.returncode == 0, done.stderr
    code, said = here(installation, "log", "verify")
    assert code == 0, said
    # What was approved may have been used up, or rejected, after the backup.
    assert json.loads(here(installation, "approvals", "list", "--json")[1]) == {"approvals": []}
    (found,) = json.loads(here(installation, "log", "search", "--type", "log-continued", "--json")[1])
    leaf = found["leaf"]
    assert (leaf["reason"], leaf["restored_size"]) == ("the disk is lost", found["index"])
    assert leaf["old_checkpoint"].startswith(leaf["old_origin"])
    assert leaf["old_origin"] != leaf["origin"]


@pytest.mark.slow
def test_the_newest_backup_is_put_back_on_a_machine_that_has_no_checkpoint(
    installation: Installation, tmp_path: Path
) -> None:
    assert here(installation, "backup", tmp_path / "newest")[0] == 0
    for path in installation.directory.glob("*.sqlite*"):
        path.unlink()
    (installation.directory / "log.checkpoint").unlink()
    code, said = here(installation, "restore", tmp_path / "newest")
    assert (code, "has no checkpoint file" in said) == (0, True), said
    assert here(installation, "log", "resume", "--no-file")[0] == 0
    with running(installation, **SETTINGS):
        assert [sign(installation, number) for number in (3, 4)] == [200, 200]
    code, said = here(installation, "log", "verify")
    assert code == 0, said


def test_a_service_that_runs_is_not_restored(service: Installation, tmp_path: Path) -> None:
    assert here(service, "backup", tmp_path / "backup")[0] == 0
    code, said = here(service, "restore", tmp_path / "backup")
    assert (code, "runs on this installation" in said) == (1, True), said
