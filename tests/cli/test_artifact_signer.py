"""Sessions with ``artifact-signer``: command, stdout, stderr, exit code, files left behind."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.artifacts import ArtifactBuilder
from tests.integration.running import Installation, command, initialise, running
from verifier import TrustStore, verify

SECRETS = ("admin.token", "token.pin", "token-officer.pin", "private.key", "artifact-signer.sqlite")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = initialise(tmp_path_factory.mktemp("cli") / "installation")
    with running(installation, SERVER_WORKERS="1"):
        assert installation.run("keys", "create", "firmware", "--algorithm", "ecdsa-p256").returncode == 0
        yield installation


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "release.mender"
    path.write_bytes(ArtifactBuilder().build())
    return path


def test_init_makes_an_installation_and_keeps_its_secrets(service: Installation) -> None:
    assert stat.S_IMODE(service.directory.stat().st_mode) == 0o700
    for name in SECRETS:
        assert stat.S_IMODE((service.directory / name).stat().st_mode) == 0o600, name
    text = service.config.read_text() + (service.directory / "client.env").read_text()
    for name in ("admin.token", "token.pin", "token-officer.pin"):
        assert (service.directory / name).read_text().strip() not in text


@dataclass(frozen=True, kw_only=True)
class Session:
    """A command that fails, and what it says."""

    arguments: tuple[str, ...]
    code: int
    stderr: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


FAILURES = {
    "no url": Session(
        arguments=("keys", "list"), code=3, stderr=("ARTIFACT_SIGNER_URL is not set", "hint: source the client.env"),
        environment={"ARTIFACT_SIGNER_URL": ""},
    ),
    "no API token": Session(
        arguments=("keys", "list"), code=3, stderr=("gives an API token", "hint:"),
        environment={"ARTIFACT_SIGNER_API_TOKEN_FILE": ""},
    ),
    "an API token file that is not there": Session(
        arguments=("keys", "list"), code=3, stderr=("cannot be read",),
        environment={"ARTIFACT_SIGNER_API_TOKEN_FILE": "/nowhere/token"},
    ),
    "an API token that is wrong": Session(
        arguments=("keys", "list"), code=1, stderr=("credentials are not valid", "hint:"),
        environment={"ARTIFACT_SIGNER_API_TOKEN": "ast_0123456789abcdef_" + "A" * 43},
    ),
    "a CA file that is not there": Session(
        arguments=("keys", "list"), code=3, stderr=("CA file",), environment={"ARTIFACT_SIGNER_CA_FILE": "/nowhere.crt"}
    ),
    "a service whose certificate is not trusted": Session(
        arguments=("keys", "list"), code=3, stderr=("no connection", "hint:"),
        environment={"ARTIFACT_SIGNER_CA_FILE": "/etc/ssl/certs/ca-certificates.crt"},
    ),
    "a timeout that is not a number": Session(
        arguments=("keys", "list"), code=3, stderr=("not a number",), environment={"ARTIFACT_SIGNER_TIMEOUT": "soon"}
    ),
    "an unknown command": Session(arguments=("keys", "rename", "a"), code=2, stderr=("No such command",)),
    "a key without algorithm": Session(arguments=("keys", "create", "a"), code=2, stderr=("--algorithm",)),
    "an algorithm that does not exist": Session(
        arguments=("keys", "create", "a", "--algorithm", "dsa"), code=2, stderr=("'dsa'",)
    ),
    "an algorithm that devices cannot verify": Session(
        arguments=("keys", "create", "a", "--algorithm", "ed25519"), code=1, stderr=("ed25519", "hint: use one of")
    ),
    "a key name with odd characters": Session(
        arguments=("keys", "create", "A key", "--algorithm", "rsa-3072"), code=1, stderr=("'A key'", "hint:")
    ),
    "a key that exists": Session(
        arguments=("keys", "create", "firmware", "--algorithm", "rsa-3072"), code=1,
        stderr=("names are not used twice",),
    ),
    "a key that does not exist": Session(
        arguments=("keys", "show", "nothing"), code=1, stderr=("no key named nothing",)
    ),
    "a version that does not exist": Session(
        arguments=("keys", "public-key", "firmware", "--version", "9"), code=1, stderr=("has no version 9",)
    ),
    "a rotation without a next version": Session(
        arguments=("keys", "rotate", "firmware"), code=1, stderr=("no next version", "hint: prepare")
    ),
    "retiring the active version": Session(
        arguments=("keys", "retire", "firmware", "--version", "1"), code=1,
        stderr=("is active, retire is not possible", "hint: possible: disable"),
    ),
    "destroying the active version": Session(
        arguments=("keys", "destroy", "firmware", "--version", "1", "--confirm", "firmware"), code=1,
        stderr=("last signed", "destroy is not possible"),
    ),
    "adopting without naming a pair": Session(
        arguments=("keys", "adopt", "b", "--algorithm", "rsa-3072"), code=2, stderr=("exactly one of",)
    ),
    "adopting a pair that is not there": Session(
        arguments=("keys", "adopt", "b", "--algorithm", "rsa-3072", "--label", "none"), code=1, stderr=("pair",)
    ),
    "adopting with an empty file as public key": Session(
        arguments=(
            "keys", "adopt", "b", "--algorithm", "ecdsa-p256", "--label", "firmware-v1", "--public-key", "/dev/null"
        ),
        code=1,
        stderr=("no public key or certificate in PEM",),
    ),
    "adopting with a public key that is not there": Session(
        arguments=("keys", "adopt", "b", "--algorithm", "rsa-3072", "--label", "x", "--public-key", "/nowhere.pem"),
        code=2,
        stderr=("/nowhere.pem",),
    ),
    "signing a file that is not there": Session(
        arguments=("sign", "/nowhere.mender", "--key", "firmware", "-o", "/nowhere/x"), code=2,
        stderr=("does not exist",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_what_fails_says_what_to_do(service: Installation, name: str) -> None:
    session = FAILURES[name]
    done = command(*session.arguments, environment={**service.client_environment, **session.environment})
    assert done.returncode == session.code, done.stderr
    assert done.stdout == ""
    for part in session.stderr:
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert service.api_token not in done.stderr


def test_no_service_is_told_from_a_refusal(service: Installation) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{unused.getsockname()[1]}"
        done = command("keys", "list", environment={**service.client_environment, "ARTIFACT_SIGNER_URL": url})
    assert done.returncode == 3
    assert "hint: is it running" in done.stderr


def test_an_installation_is_not_made_twice(service: Installation) -> None:
    done = command("init", service.directory)
    assert done.returncode == 2
    assert "exists already" in done.stderr


@pytest.mark.parametrize("bind", ["nonsense", "0.0.0.0", "127.0.0.1:99999", "unix:/tmp/socket"])
def test_init_refuses_addresses_that_cannot_be(bind: str, tmp_path: Path) -> None:
    done = command("init", tmp_path / "x", "--bind", bind)
    assert done.returncode == 2
    assert done.stderr.startswith("artifact-signer: ")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("options", [("--whole",), ()], ids=["whole", "by its head"])
def test_sign_writes_an_artifact_that_verifies(
    service: Installation, artifact: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    output = tmp_path / "signed.mender"
    done = service.run("sign", artifact, "--key", "firmware", "-o", output, *options)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    pem = service.run("keys", "public-key", "firmware").stdout.encode()
    assert verify(io.BytesIO(output.read_bytes()), trust=TrustStore.from_pem(pem)).artifact_name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["release.mender", "signed.mender"]


@pytest.mark.parametrize("options", [("--whole",), ()], ids=["whole", "by its head"])
def test_sign_tells_machines_what_it_wrote_and_which_key_signed(
    service: Installation, artifact: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    output = tmp_path / "signed.mender"
    done = service.run("sign", artifact, "--key", "firmware", "-o", output, "--json", *options)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (version,) = json.loads(service.run("keys", "show", "firmware", "--json").stdout)["versions"]
    content = output.read_bytes()
    wanted = {
        "output": str(output),
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "key": "firmware",
        "version": 1,
        "fingerprint": version["fingerprint"],
    }
    assert {name: document[name] for name in wanted} == wanted
    assert (set(document) == set(wanted)) is bool(options)
    assert ("manifest_sha256" in document) is not bool(options)


@pytest.mark.parametrize("options", [("--whole",), ()], ids=["whole", "by its head"])
def test_a_refused_artifact_leaves_no_file(
    service: Installation, artifact: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    artifact.write_bytes(artifact.read_bytes()[:1500])
    done = service.run("sign", artifact, "--key", "firmware", "-o", tmp_path / "signed.mender", *options)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("artifact-signer: ")
    assert [path.name for path in tmp_path.iterdir()] == ["release.mender"]


def test_what_is_not_an_artifact_is_refused_before_it_is_sent(service: Installation, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"version\0 but nothing like it" + bytes(1000))
    done = service.run("sign", tmp_path / "x", "--key", "firmware", "-o", tmp_path / "y")
    assert done.returncode == 1
    assert done.stderr.startswith("artifact-signer: ")
    assert "Traceback" not in done.stderr


def test_keys_and_events_are_listed_for_people_and_machines(service: Installation) -> None:
    people = service.run("keys", "list").stdout.splitlines()
    assert people[0].split() == ["KEY", "PURPOSE", "ALGORITHM", "VERSION", "STATE", "SIGNATURES", "FINGERPRINT"]
    assert [line.split()[:5] for line in people[1:] if line.startswith("firmware ")] == [
        ["firmware", "artifact", "ecdsa-p256", "1", "active"]
    ]
    keys = json.loads(service.run("keys", "list", "--json").stdout)["keys"]
    assert [(key["name"], key["purpose"], key["active_version"]) for key in keys] == [
        ("device-token", "device-token", 1),
        ("firmware", "artifact", 1),
        ("log", "log", 1),
        ("user-token", "user-token", 1),
    ]
    events = json.loads(service.run("events", "--key", "firmware", "--json").stdout)["events"]
    assert [event["type"] for event in events][:2] == ["creation-started", "key-created"]
    assert all(event["actor"] == "api-token:admin" for event in events if event["type"] != "certificate-issued")


def test_destroying_asks_for_the_name_and_says_when_it_last_signed(service: Installation) -> None:
    assert service.run("keys", "create", "old", "--algorithm", "ecdsa-p256").returncode == 0
    assert service.run("keys", "disable", "old", "--version", "1").returncode == 0
    wrong = service.run("keys", "destroy", "old", "--version", "1", "--confirm", "new")
    assert (wrong.returncode, "as confirmation" in wrong.stderr) == (1, True)
    done = service.run("keys", "destroy", "old", "--version", "1", "--confirm", "old", "--json")
    assert "last signed: never" in done.stderr
    assert [version["state"] for version in json.loads(done.stdout)["versions"]] == ["destroyed"]
