"""A bad release from end to end: signed, recalled, told of, refused by the service, by verifiers and by a device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from device.command.main import main as artifact_device
from tests.artifacts import ArtifactBuilder
from tests.cli.artifact_verify import artifact_verify
from tests.device.test_command import write_config
from tests.integration.running import Installation
from tests.support.recalled_lists import OTHER_KEY


class Verdict:
    """Of ``artifact-verify``."""

    def __init__(self, code: int, stdout: str) -> None:
        self.code, self._stdout = code, stdout

    @property
    def document(self) -> Any:
        return json.loads(self._stdout)


class Release:
    """An artifact that was signed, and how a person goes on."""

    def __init__(self, service: Installation, place: Path, name: str) -> None:
        self.service, self.place, self.name = service, place, f"{name}.mender"
        given = place / f"{name}.unsigned"
        given.write_bytes(ArtifactBuilder(name=name).build())
        done = service.run("sign", given, "--key", "p256", "--output", place / self.name)
        assert done.returncode == 0, done.stderr
        with service.http() as http:
            (place / "release.pem").write_bytes(http.get("/v1/keys/p256/versions/1/public-key").content)
        self.manifest: str = self.verify("--json").document["artifacts"][0]["manifest_sha256"]

    def verify(self, *words: str) -> Verdict:
        done = artifact_verify("--key", "release.pem", *words, self.name, cwd=self.place)
        return Verdict(done.code, done.stdout)


def listed(service: Installation, place: Path) -> Path:
    path = place / "recalled"
    done = service.run("log", "recalled", "-o", path, "--log-key", service.directory / "log.vkey")
    assert done.returncode == 0, done.stderr
    return path


def test_a_bad_release_is_refused_everywhere(
    service: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = (Release(service, tmp_path, name) for name in ("bad", "good"))
    before = listed(service, tmp_path).read_bytes()
    reason = "bricks boards of revision B"
    done = service.run("log", "recall", "--manifest-sha256", bad.manifest, "--reason", reason)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    again = service.run("log", "recall", "--manifest-sha256", bad.manifest, "--reason", "again")
    assert "was recalled before" in again.stderr

    refused = service.run("sign", tmp_path / "bad.unsigned", "--key", "p256", "--output", tmp_path / "again.mender")
    assert (refused.returncode, (tmp_path / "again.mender").exists()) == (1, False)
    assert "was recalled: no key signs it any more" in refused.stderr

    newest = listed(service, tmp_path)
    words = ("--recalled", str(newest), "--recalled-key", str(service.directory / "log.vkey"))
    assert (bad.verify(*words).code, good.verify(*words).code) == (1, 0)
    assert bad.verify("--json", *words).document["artifacts"][0]["error"]["code"] == "artifact-recalled"

    config = write_config(tmp_path, recalled_keys=f'"{service.directory}/log.vkey"')
    (tmp_path / "before").write_bytes(before)

    def device(*arguments: str) -> int:
        return int(artifact_device(["--config", str(config), *arguments]))

    assert device("take-recalled", str(tmp_path / "before")) == 0
    assert device("check-recalled", bad.manifest) == 0
    assert device("take-recalled", str(newest)) == 0
    assert [device("check-recalled", each.manifest) for each in (bad, good)] == [1, 0]
    assert device("take-recalled", str(tmp_path / "before")) == 1
    assert "[recalled-list-older]" in capsys.readouterr().err

    found = service.run("log", "search", "--manifest-sha256", bad.manifest, "--type", "release-recalled", "--json")
    (entry,) = json.loads(found.stdout)
    assert (entry["leaf"]["reason"], entry["leaf"]["artifact"]) == (reason, "bad")
    monitor = service.run(
        "log", "monitor", "--log-key", service.directory / "log.vkey", "--state", tmp_path / "seen", "--once", "--json"
    )
    told = [json.loads(line) for line in monitor.stdout.splitlines()]
    assert entry["index"] in [each["index"] for each in told if each["kind"] == "recall"], monitor.stderr
    verified = service.run("log", "verify", "--config", service.config)
    assert verified.returncode == 0, verified.stderr


def test_a_list_is_never_replaced_by_an_older_one(service: Installation, tmp_path: Path) -> None:
    """Here the file is of a later version, as after the service's database was an older one."""
    path = listed(service, tmp_path)
    text, _, signatures = path.read_text().partition("\n\n")
    form, origin, *_ = text.splitlines()
    newer = "\n".join([form, origin, "999999999", "f" * 64, "", signatures])
    path.write_text(newer)
    done = service.run("log", "recalled", "-o", path)
    assert done.returncode == 1, done.stderr
    assert "nothing was written" in done.stderr
    assert path.read_text() == newer


def test_what_is_no_list_is_not_replaced(service: Installation, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("something else\n")
    done = service.run("log", "recalled", "-o", tmp_path / "notes")
    assert done.returncode == 1
    assert (tmp_path / "notes").read_text() == "something else\n"


def test_a_list_by_a_key_that_is_not_the_logs_is_not_written(service: Installation, tmp_path: Path) -> None:
    done = service.run("log", "recalled", "-o", tmp_path / "list", "--log-key", str(OTHER_KEY))
    assert (done.returncode, (tmp_path / "list").exists()) == (3, False)
    assert "cannot be believed" in done.stderr


@pytest.mark.parametrize("digest", ["", "0" * 63, "F" * 64])
def test_a_digest_that_is_none_is_wrong_usage(service: Installation, digest: str) -> None:
    assert service.run("log", "recall", "--manifest-sha256", digest, "--reason", "bad").returncode == 2


@pytest.mark.slow
def test_it_can_be_done_on_the_machine_itself(service: Installation, tmp_path: Path) -> None:
    release = Release(service, tmp_path, "local")
    words = ("log", "recall", "--manifest-sha256", release.manifest, "--reason", "bad", "--json")
    done = service.run(*words, "--config", service.config)
    assert json.loads(done.stdout)["actor"] == "artifact-signer log recall"
    with service.http() as http:
        answer = http.post("/v1/keys/p256/signatures", content=(tmp_path / "local.unsigned").read_bytes())
    assert answer.json()["code"] == "manifest-recalled"
    nothing = service.run("log", "recall", "--manifest-sha256", "0" * 64, "--reason", "bad", "--config", service.config)
    assert nothing.returncode == 1
    assert "no signature of the manifest" in nothing.stderr
