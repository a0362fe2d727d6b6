"""What rules let a client certificate do: signing by the command line, and nothing beside it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.x509 import UniformResourceIdentifier

from tests.artifacts import ArtifactBuilder
from tests.integration.mutual_tls import BUILDS, DEVICE, DEVICE_USE, DEVICES, IDENTITY, by_tls, code, trust
from tests.integration.running import Installation, command, initialise, running
from tests.support.client_cas import SPIFFE, Issued, Wanted

pytestmark = pytest.mark.slow

RULES = f"""
[[rules]]
name = "build"
effect = "allow"
principals = ["mtls:builds:{SPIFFE}"]
actions = ["sign"]
keys = ["firmware"]
when = {{ checked = "head", artifact_name = ["release-*"] }}
[[rules]]
name = "release"
effect = "allow"
principals = ["group:release"]
actions = ["sign"]
keys = ["firmware"]
"""
PERSONAL = "spiffe://example.org/ada"


def named(uri: str) -> Issued:
    return BUILDS.issue(Wanted(alternatives=[UniformResourceIdentifier(uri)]))


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = initialise(tmp_path_factory.mktemp("rules"))
    trust(installation, builds=(BUILDS, IDENTITY), devices=(DEVICES, DEVICE_USE))
    policy = installation.directory / "policy.toml"
    with running(installation, SERVER_WORKERS="2"):
        for key in ("firmware", "other"):
            done(installation.run("keys", "create", key, "--algorithm", "ecdsa-p256"))
        done(installation.run("people", "create", "ada"))
        done(installation.run("identities", "assign", f"mtls:builds:{PERSONAL}", "ada"))
        done(installation.run("groups", "create", "release"))
        done(installation.run("groups", "add", "release", "person:ada"))
        policy.write_text(done(installation.run("policy", "show")) + RULES)
        done(installation.run("policy", "apply", policy, "--reason", "builds sign by certificates"))
        yield installation


def sign(
    service: Installation, directory: Path, issued: Issued, *, key: str = "firmware", name: str = "release-1"
) -> subprocess.CompletedProcess[str]:
    """``artifact-signer sign`` with this certificate, in a shell that has the administrator's API token."""
    certificate, private_key = issued.write(directory)
    (directory / "update.mender").write_bytes(ArtifactBuilder(name=name).build())
    arguments = ["sign", directory / "update.mender", "--key", key, "-o", directory / "signed.mender", "--json"]
    shown = ["--client-certificate", certificate, "--client-key", private_key]
    return service.run(*arguments, *shown)


def test_a_build_signs_by_its_certificate_and_the_log_names_it(service: Installation, tmp_path: Path) -> None:
    signed = json.loads(done(sign(service, tmp_path, named(SPIFFE))))
    assert (signed["leaf"]["actor"], signed["leaf"]["rule"]) == (f"mtls:builds:{SPIFFE}", "build")
    assert (tmp_path / "signed.mender").exists()


def test_a_person_signs_by_a_certificate_of_theirs(service: Installation, tmp_path: Path) -> None:
    signed = json.loads(done(sign(service, tmp_path, named(PERSONAL), name="hotfix-1")))
    assert signed["leaf"]["rule"] == "release"


def test_the_environment_names_a_certificate_too(service: Installation, tmp_path: Path) -> None:
    certificate, key = named(SPIFFE).write(tmp_path)
    variables = {name: value for name, value in service.client_environment.items() if "API_TOKEN" not in name}
    variables |= {"ARTIFACT_SIGNER_CLIENT_CERTIFICATE": str(certificate), "ARTIFACT_SIGNER_CLIENT_KEY": str(key)}
    listed = done(command("keys", "list", "--json", environment=variables))
    assert [each["name"] for each in json.loads(listed)["keys"]] == ["firmware"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    issued: Issued
    says: str
    key: str = "firmware"
    name: str = "release-1"


REFUSED = {
    "an artifact of another name": Row(issued=named(SPIFFE), name="hotfix-1", says="artifact_name"),
    "another key, which it is not told of": Row(issued=named(SPIFFE), key="other", says="there is no key named other"),
    "a key that there is not": Row(issued=named(SPIFFE), key="absent", says="there is no key named absent"),
    "by whom no rule names": Row(issued=named(f"{SPIFFE}2"), says="there is no key named firmware"),
    "by a name that is longer": Row(issued=named(f"{SPIFFE}/x"), says="there is no key named firmware"),
    "by a name in other letters": Row(
        issued=named("spiffe://example.org/Build"), says="there is no key named firmware"
    ),
    "by a device": Row(issued=DEVICE, says="that of a device"),
    "by two names": Row(
        issued=BUILDS.issue(Wanted(alternatives=[UniformResourceIdentifier(uri) for uri in (SPIFFE, PERSONAL)])),
        says="2 values of san-uri",
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_nothing_is_signed(service: Installation, tmp_path: Path, sentence: str) -> None:
    row = REFUSED[sentence]
    refused = sign(service, tmp_path, row.issued, key=row.key, name=row.name)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert row.says in refused.stderr
    assert not (tmp_path / "signed.mender").exists()


MORE = {
    "make a key": ("POST", "/v1/keys", {"name": "mine", "algorithm": "ecdsa-p256"}),
    "rotate the key that it signs with": ("POST", "/v1/keys/firmware/rotate", {}),
    "read the log": ("GET", "/v1/log/entries", None),
    "read events": ("GET", "/v1/events", None),
    "read the policy": ("GET", "/v1/policy", None),
    "change the policy": ("POST", "/v1/policy", {"text": "version = 1", "reason": "x"}),
    "list people": ("GET", "/v1/people", None),
    "take an identity": ("POST", "/v1/identities/assign", {"identity": f"mtls:builds:{SPIFFE}", "person": "ada"}),
    "enter a group": ("POST", "/v1/groups/release/add", {"member": f"mtls:builds:{SPIFFE}"}),
    "revoke a certificate": ("POST", "/v1/client-certificates/revoke", {"ca": "builds", "serial": "1", "reason": "x"}),
    "list revoked certificates": ("GET", "/v1/client-certificates/revoked", None),
    "list API tokens": ("GET", "/v1/api-tokens", None),
}


@pytest.mark.parametrize("sentence", MORE)
def test_a_stolen_certificate_does_not(service: Installation, tmp_path: Path, sentence: str) -> None:
    method, path, document = MORE[sentence]
    with by_tls(service, named(SPIFFE), tmp_path) as http:
        answer = http.request(method, path, json=document)
    assert (answer.status_code, code(answer)) == (403, "access-denied")


def test_a_revoked_certificate_signs_nothing_at_once(service: Installation, tmp_path: Path) -> None:
    """In no worker, and also where it was remembered as good."""
    lost = named(SPIFFE)
    for _ in range(4):
        done(sign(service, tmp_path, lost))
        (tmp_path / "signed.mender").unlink()
    done(service.run("client-certificates", "revoke", "builds", lost.serial, "--reason", "stolen"))
    for _ in range(4):
        refused = sign(service, tmp_path, lost)
        assert (refused.returncode, "is revoked" in refused.stderr) == (1, True), refused.stderr
    done(sign(service, tmp_path, named(SPIFFE)))
