"""The commands as a person types them, against a running service."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from tests.artifacts import ArtifactBuilder
from tests.integration.running import Installation, initialise, running
from tests.signer.certificates.authority import pem, root
from verifier import TrustStore, VerificationError, verify

REFUSED, USAGE = 1, 2


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A service with the artifact key ``firmware``, beside the key ``log`` that ``init`` made for another purpose."""
    installation = initialise(tmp_path_factory.mktemp("installation"))
    with running(installation, SERVER_WORKERS="1"):
        typed(installation, "create", "firmware", "--algorithm", "ecdsa-p256")
        yield installation


def typed(service: Installation, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A ``keys`` command that has to succeed."""
    done = service.run("keys", *arguments)
    assert done.returncode == 0, done.stderr
    return done


def test_a_certificate_is_shown_and_made(service: Installation) -> None:
    shown = typed(service, "certificate", "firmware", "--version", "1")
    first = x509.load_pem_x509_certificate(shown.stdout.encode())
    assert first.subject.rfc4514_string() == "CN=firmware"
    assert "artifact-signer: CN=firmware, self-signed, valid until 9999-12-31T23:59:59Z\n" in shown.stderr
    made = typed(
        service, "certificate", "firmware", "--version", "1", "--subject", "CN=x,O=y", "--san", "dns:a.example",
        "--san", "ip:192.0.2.1", "--days", "30", "--json",
    )  # fmt: skip
    document = json.loads(made.stdout)
    assert (document["subject"], document["san"]) == ("CN=x,O=y", ["dns:a.example", "ip:192.0.2.1"])
    again = typed(service, "certificate", "firmware", "--version", "1", "--json")
    assert json.loads(again.stdout) == document
    renewed = typed(service, "certificate", "firmware", "--version", "1", "--new", "--json")
    assert json.loads(renewed.stdout)["subject"] == "CN=firmware"


def test_a_ca_s_certificate_comes_back(service: Installation, tmp_path: Path) -> None:
    request = x509.load_pem_x509_csr(
        typed(service, "csr", "log", "--version", "1", "--subject", "CN=log").stdout.encode()
    )
    authority = root(datetime.now(UTC))
    path = tmp_path / "bundle.pem"
    path.write_bytes(pem(authority.certify(request.subject, request.public_key()), *authority.chain))
    done = typed(service, "import-certificate", "log", "--version", "1", path)
    assert done.stdout == ""
    assert "artifact-signer: imported CN=log, issued by CN=Root, valid until " in done.stderr
    assert typed(service, "certificate", "log", "--version", "1").stdout.encode() == path.read_bytes()


def test_an_export_is_what_devices_trust(service: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "device-keys"
    bundle = typed(service, "public-keys", "firmware")
    fragment = json.loads(typed(service, "export", "firmware", "--dir", folder).stdout)
    assert fragment == {"ArtifactVerifyKeys": [str(folder / "firmware-v1.pem")]}
    assert (folder / "firmware-v1.pem").read_text() == bundle.stdout
    on_device = typed(service, "export", "firmware", "--dir", folder, "--device-dir", "/etc/mender/keys", "--json")
    document = json.loads(on_device.stdout)
    assert document == {
        "key": "firmware",
        "files": [str(folder / "firmware-v1.pem")],
        "removed": [],
        "ArtifactVerifyKeys": ["/etc/mender/keys/firmware-v1.pem"],
    }
    with service.http() as http:
        signed = http.post("/v1/keys/firmware/artifacts", content=ArtifactBuilder().build())
    assert verify(io.BytesIO(signed.content), trust=TrustStore.load([folder])).key.source == document["files"][0]


@pytest.mark.slow
def test_an_export_follows_a_rotation(service: Installation, tmp_path: Path) -> None:
    typed(service, "create", "turning", "--algorithm", "ecdsa-p256")
    typed(service, "export", "turning", "--dir", tmp_path)
    for steps, left in (
        ((("prepare", "turning"),), ["turning-v1.pem", "turning-v2.pem"]),
        ((("rotate", "turning"), ("retire", "turning", "--version", "1")), ["turning-v2.pem"]),
    ):
        for step in steps:
            typed(service, *step)
        done = typed(service, "export", "turning", "--dir", tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == left
    assert f"artifact-signer: removed {tmp_path / 'turning-v1.pem'}\n" in done.stderr
    typed(service, "disable", "turning", "--version", "2")
    refused = service.run("keys", "export", "turning", "--dir", tmp_path)
    assert (refused.returncode, refused.stdout) == (REFUSED, "")
    assert "no version that a device should trust now" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["turning-v2.pem"], "devices keep what they have"


def test_artifact_verify_reads_the_folder(service: Installation, tmp_path: Path) -> None:
    folder, artifact = tmp_path / "keys", tmp_path / "signed.mender"
    typed(service, "export", "firmware", "--dir", folder)
    with service.http() as http:
        artifact.write_bytes(http.post("/v1/keys/firmware/artifacts", content=ArtifactBuilder().build()).content)
    done = subprocess.run(
        ["artifact-verify", "--key", folder, artifact], capture_output=True, text=True, timeout=60, check=False,
        env=_with_our_commands(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "firmware-v1.pem").unlink()
    with pytest.raises(VerificationError):
        TrustStore.load([folder])


def _with_our_commands() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


REFUSALS = {
    "no version": (USAGE, ("certificate", "firmware"), "--version"),
    "version zero": (USAGE, ("csr", "firmware", "--version", "0"), "--version"),
    "days that are no number": (USAGE, ("certificate", "firmware", "--version", "1", "--days", "x"), "--days"),
    "a negative number of days": (
        REFUSED, ("certificate", "firmware", "--version", "1", "--days", "-1"), "1 to 36500 days",
    ),
    "no days": (REFUSED, ("certificate", "firmware", "--version", "1", "--days", "0"), "1 to 36500 days"),
    "an empty subject": (REFUSED, ("csr", "firmware", "--version", "1", "--subject", ""), "the subject is empty"),
    "a terminal sequence in a subject": (
        REFUSED, ("csr", "firmware", "--version", "1", "--subject", "CN=\x1b[2J"), "do not print",
    ),
    "a version that is not there": (REFUSED, ("certificate", "firmware", "--version", "9"), "no version 9"),
    "a file that is not there": (
        USAGE, ("import-certificate", "firmware", "--version", "1", "/nonexistent"), "No such file",
    ),
    "a file that is no certificate": (
        REFUSED, ("import-certificate", "firmware", "--version", "1", __file__), "it is not PEM",
    ),
    "a name that is a path": (REFUSED, ("export", "../firmware", "--dir", "keys"), "cannot be the name of a key"),
    "a key that is not for artifacts": (USAGE, ("export", "log", "--dir", "keys"), "devices take artifact keys only"),
    "a folder that is a file": (USAGE, ("export", "firmware", "--dir", __file__), "is a file"),
    "public keys of a key that is not there": (REFUSED, ("public-keys", "other"), "no key named other"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSALS)
def test_a_command_is_refused(service: Installation, sentence: str) -> None:
    code, arguments, words = REFUSALS[sentence]
    done = service.run("keys", *arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert words in done.stderr
    assert "\x1b" not in done.stderr
