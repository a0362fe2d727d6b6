"""A running service in an emergency: what stays of it, who refuses it; and a real receiver is told of what waits."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.artifacts import ArtifactBuilder
from tests.cli.artifact_verify import artifact_verify
from tests.integration.callers import Callers
from tests.integration.running import command, free_port, initialise, running
from tests.support.receiver import Listening, Message, Mood, receiver
from tests.support.recorders import until

pytestmark = pytest.mark.slow

RULES = """
version = 1
[[rules]]
name = "boss"
effect = "allow"
principals = ["api-token:admin"]
actions = ["administer", "read-log", "manage", "read"]
keys = ["*"]
[[rules]]
name = "release"
effect = "allow"
principals = ["group:release"]
actions = ["sign"]
keys = ["firmware"]
approvals = [{ group = "qa", count = 1 }]
emergency = ["person:ada"]
[[rules]]
name = "approvers"
effect = "allow"
principals = ["group:qa"]
actions = ["approve"]
keys = ["firmware"]
"""
SETTINGS = """
[approvals]
webhook_url = "http://127.0.0.1:{port}/hook"
webhook_secret_file = "webhook.secret"
webhook_allow_http = true
webhook_timeout = 2
"""
SECRET = bytes(range(32))
REASON = "the line stands still"
HEADER = "X-Signing-Emergency-Reason"
# Before a receiver that failed is asked again it is left in peace for 5 seconds.
PEACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Site:
    """Ada, who is named, and bob may ask for releases; eve and dan approve them. Nobody is told at ``port`` as yet."""

    callers: Callers
    port: int

    def run(self, *arguments: str | Path, who: str = "admin") -> CompletedProcess[str]:
        """A command of somebody."""
        installation = self.callers.installation
        file = installation.directory / f"{who}.token"
        if not file.exists():
            file.write_text(self.callers.tokens[who])
            file.chmod(0o600)
        environment = {**installation.client_environment, "ARTIFACT_SIGNER_API_TOKEN_FILE": str(file)}
        return command(*arguments, environment=environment)

    def ask(self, name: str) -> dict[str, Any]:
        """Bob asks for a release, which waits."""
        answer = self.callers.sign("bob", name)
        assert answer.json()["code"] == "approval-required", answer.text
        facts: dict[str, Any] = answer.json()["facts"]
        return facts


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    installation, port = initialise(tmp_path_factory.mktemp("emergency") / "installation"), free_port()
    with installation.config.open("a") as file:
        file.write(SETTINGS.format(port=port))
    secret = os.open(installation.directory / "webhook.secret", os.O_CREAT | os.O_WRONLY, 0o600)
    with os.fdopen(secret, "w") as file:
        file.write("whsec_" + base64.b64encode(SECRET).decode())
    with running(installation, SERVER_WORKERS="1"):
        callers = Callers(installation)
        callers.manage("/v1/keys", {"name": "firmware", "algorithm": "ecdsa-p256"})
        callers.group("release", "ada", "bob")
        callers.group("qa", "eve", "dan")
        callers.token("nobody")
        callers.apply(RULES)
        yield Site(callers, port)


@dataclass(frozen=True, slots=True)
class Release:
    """What an emergency left: the artifact, its proof, and the keys to look at both with."""

    artifact: Path
    proof: Path
    key: Path
    log_key: Path
    said: str


@pytest.fixture(scope="module")
def release(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Ada has a release signed, by the command, over HTTPS."""
    place = tmp_path_factory.mktemp("release")
    plain, signed, proof, key = (place / name for name in ("plain", "signed.mender", "proof", "key.pem"))
    plain.write_bytes(ArtifactBuilder(name="urgent-1").build())
    log_key = site.callers.installation.directory / "log.vkey"
    done = site.run(
        "sign", plain, "--key", "firmware", "--output", signed, "--proof", proof, "--emergency", REASON, who="ada"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with site.callers.installation.http() as http:
        answer = http.get("/v1/keys/firmware/versions/1/public-key", headers={"Accept": "application/x-pem-file"})
        key.write_bytes(answer.content)
    return Release(signed, proof, key, log_key, done.stderr)


def test_whoever_asked_for_it_is_told_what_it_means(release: Release) -> None:
    assert "it was signed in an emergency: verifiers and monitors refuse its proof" in release.said


def test_its_leaf_says_who_and_why(site: Site, release: Release) -> None:
    with site.callers.installation.http() as http:
        entries = http.get("/v1/log/entries", params={"artifact": "urgent-1"}).json()["entries"]
    (leaf,) = (entry["leaf"] for entry in entries)
    assert {name: leaf[name] for name in ("type", "actor", "emergency", "person", "reason")} == {
        "type": "signature",
        "actor": "api-token:ada",
        "emergency": True,
        "person": "ada",
        "reason": REASON,
    }


def test_the_service_says_so_critically_and_counts_it(site: Site, release: Release) -> None:
    (line,) = (line for line in site.callers.installation.log_lines() if "signed in an emergency" in line)
    assert re.search(r"\bcritical\b", line, re.IGNORECASE), line
    assert "ada signed in an emergency past its approvals: key firmware, version 1" in line
    assert REASON in line
    with site.callers.installation.http() as http:
        # A worker's figures are written beside its answers.
        until(lambda: 'artifact_signer_emergency_signatures_total{key="firmware"} 1.0' in http.get("/metrics").text)


@pytest.mark.parametrize(("allowed", "code"), [((), 1), (("--allow-emergency",), 0)])
def test_a_verifier_takes_it_only_where_it_is_told_to(release: Release, allowed: tuple[str, ...], code: int) -> None:
    asked = ("--key", str(release.key), "--log-key", str(release.log_key), "--proof", str(release.proof))
    done = artifact_verify(*asked, *allowed, "--json", str(release.artifact), cwd=release.artifact.parent)
    assert done.code == code, done.stderr
    assert ("emergency-signature" in done.stdout) is bool(code)


def test_without_a_log_nobody_sees_a_difference(release: Release) -> None:
    done = artifact_verify("--key", str(release.key), str(release.artifact), cwd=release.artifact.parent)
    assert done.code == 0, done.stderr


@pytest.mark.parametrize("allowed", [(), ("--allow-emergency",)])
def test_a_monitor_tells_of_it_unless_it_is_told_not_to(
    site: Site, release: Release, tmp_path: Path, allowed: tuple[str, ...]
) -> None:
    log = ("--log-key", release.log_key, "--state", tmp_path / "state")
    done = site.run("log", "monitor", *log, "--json", *allowed)
    told = [document for line in done.stdout.splitlines() if (document := json.loads(line))["kind"] == "emergency"]
    assert [each["leaf"]["reason"] for each in told] == ([] if allowed else [REASON]), done.stdout
    # The changes that set all of this up are told as well.
    assert done.returncode == 1, done.stderr


PASSING_NOTHING = {
    "whom the rule does not name": ("bob", REASON, (403, "access-denied")),
    "a credential of nobody": ("nobody", REASON, (404, "key-not-found")),
    "the administrator": ("admin", REASON, (403, "access-denied")),
    "a reason that is too long": ("ada", "x" * 301, (400, "reason-invalid")),
    "without naming an emergency": ("ada", None, (403, "approval-required")),
    "who approves": ("eve", REASON, (403, "access-denied")),
}


@pytest.mark.parametrize("sentence", PASSING_NOTHING)
def test_it_passes_no_approvals_for(site: Site, release: Release, sentence: str) -> None:
    who, reason, refused = PASSING_NOTHING[sentence]
    headers = {} if reason is None else {HEADER: reason}
    answer = site.callers.sign(who, "urgent-2", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == refused, answer.text
    assert sum("signed in an emergency" in line for line in site.callers.installation.log_lines()) == 1


def test_approved_later_it_is_a_signature_like_others(site: Site, release: Release) -> None:
    facts = site.callers.sign("ada", "urgent-1").json()["facts"]
    assert site.callers.vote(facts, "eve") == 200
    document = site.callers.sign("ada", "urgent-1").json()
    assert "emergency" not in document["leaf"]
    proof = release.proof.with_name("approved")
    proof.write_text(document["proof"])
    asked = ("--key", str(release.key), "--log-key", str(release.log_key), "--proof", str(proof))
    assert artifact_verify(*asked, str(release.artifact), cwd=proof.parent).code == 0


def _is_signed(message: Message) -> bool:
    fields = message.fields
    signed = f"{fields['webhook-id']}.{fields['webhook-timestamp']}.".encode() + message.body
    expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    return fields["webhook-signature"] == f"v1,{expected}" and abs(time.time() - int(fields["webhook-timestamp"])) < 60


def _about(listening: Listening, facts: dict[str, Any]) -> tuple[str, Message]:
    """The next notice of this request, and what it says; others may come before it."""
    while True:
        message = listening.next()
        assert _is_signed(message)
        document = json.loads(message.body)
        if document["data"]["id"] == facts["approval"]:
            return document["type"], message


def test_a_receiver_that_was_down_is_told_when_it_is_there(site: Site) -> None:
    facts = site.ask("waiting-1")
    until(lambda: any("does not take" in line for line in site.callers.installation.log_lines()))
    with receiver(port=site.port) as listening:
        said, _ = _about(listening, facts)
        assert said == "approval.waiting"
        assert site.callers.vote(facts, "dan") == 200
        said, _ = _about(listening, facts)
        assert said == "approval.approved"


def test_a_notice_is_sent_again_after_a_500_and_the_receiver_has_its_peace(site: Site) -> None:
    with receiver(Mood.FAILS, port=site.port) as listening:
        facts = site.ask("waiting-2")
        said, failed = _about(listening, facts)
        assert listening.quiet(PEACE_SECONDS)
        listening.mood = Mood.TAKES
        said_again, again = _about(listening, facts)
        assert said == said_again == "approval.waiting"
        assert again.fields["webhook-id"] == failed.fields["webhook-id"]


def test_a_receiver_that_says_nothing_holds_nothing_up(site: Site) -> None:
    with receiver(Mood.IS_SILENT, port=site.port) as listening:
        facts = site.ask("waiting-3")
        listening.next()
        began = time.monotonic()
        assert site.callers.vote(facts, "dan") == 200
        assert site.callers.sign("bob", "waiting-3").status_code == 200
        assert time.monotonic() - began < PEACE_SECONDS
    lines = site.callers.installation.log_lines()
    assert SECRET.hex() not in "\n".join(lines)
    assert base64.b64encode(SECRET).decode() not in "\n".join(lines)


def test_all_of_it_is_one_log(site: Site) -> None:
    """Last of all."""
    done = command("log", "verify", "--config", site.callers.installation.config)
    assert done.returncode == 0, done.stderr
