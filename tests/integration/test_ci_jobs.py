"""Jobs of GitHub and GitLab sign with a real service: real issuers over HTTPS, several workers, the real command."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.artifacts import ArtifactBuilder
from tests.integration.running import Installation, command, initialise, running
from tests.support.ci_actions import actions
from tests.support.ci_issuer import CiIssuer, running_issuer
from tests.support.ci_tokens import github_claims, gitlab_claims, token
from tests.support.rows import slow_but

SETTINGS = """
[[ci_issuer]]
name = "{kind}"
issuer = "{issuer.url}"
kind = "{kind}"
audience = "{audience}"
ca_file = "{issuer.ca_file}"

[[ci_identity]]
issuer = "{kind}"
id = "{id}"
owner_id = "{owner}"
role = "signer"
claims = {{ {claim} = "refs/heads/main" }}
"""


FOR_SIGNERS = """
[[rules]]
name = "signers"
effect = "allow"
principals = ["role:signer"]
actions = ["sign"]
keys = ["*"]
"""
ROLELESS = """
[[ci_identity]]
issuer = "gitlab"
id = "30"
owner_id = "72"
claims = { ref_path = "refs/heads/main" }
"""
RULE = """
[[rules]]
name = "project-30"
effect = "allow"
principals = ["ci:gitlab/30"]
actions = ["sign"]
keys = ["firmware"]
when = { checked = "head", artifact_name = ["for-thirty-*"] }
"""


class Place:
    """A service with two workers, a key, and an issuer of each kind."""

    def __init__(self, installation: Installation, github: CiIssuer, gitlab: CiIssuer, artifact: Path) -> None:
        self.installation, self.github, self.gitlab, self.artifact = installation, github, gitlab, artifact

    def job(self, output: Path, **variables: str) -> Any:
        """``artifact-signer sign`` in a job with these variables."""
        environment = {
            "ARTIFACT_SIGNER_URL": self.installation.url,
            "ARTIFACT_SIGNER_CA_FILE": str(self.installation.directory / "cert.crt"),
            "XDG_STATE_HOME": str(output.parent / "state"),
            **variables,
        }
        return command("sign", self.artifact, "--key", "firmware", "--output", output, environment=environment)

    def allow(self, rule: str, directory: Path) -> None:
        """Add a rule to the policy."""
        policy = directory / "policy.toml"
        policy.write_text(self.installation.run("policy", "show").stdout + rule)
        applied = self.installation.run("policy", "apply", policy, "--reason", "tests")
        assert applied.returncode == 0, applied.stderr

    def github_token(self, **changes: Any) -> str:
        return token(github_claims(self.github.url, aud=self.installation.url, **changes))

    def gitlab_token(self, **changes: Any) -> str:
        return token(gitlab_claims(self.gitlab.url, aud=self.installation.url, **changes))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("ci")
    installation = initialise(directory / "installation")
    artifact = directory / "release.mender"
    artifact.write_bytes(ArtifactBuilder().build())
    with running_issuer(directory, name="github") as github, running_issuer(directory, name="gitlab") as gitlab:
        with installation.config.open("a") as file:
            for issuer, kind, numbers, claim in (
                (github, "github", ("456789", "123456"), "ref"),
                (gitlab, "gitlab", ("20", "72"), "ref_path"),
            ):
                text = SETTINGS.format(
                    issuer=issuer, kind=kind, audience=installation.url, id=numbers[0], owner=numbers[1], claim=claim
                )
                file.write(text)
            file.write(ROLELESS)
        with running(installation, SERVER_WORKERS="2"):
            made = installation.run("keys", "create", "firmware", "--algorithm", "ecdsa-p256")
            assert made.returncode == 0, made.stderr
            made_place = Place(installation, github, gitlab, artifact)
            made_place.allow(FOR_SIGNERS, directory)
            yield made_place


def test_a_job_of_github_signs(place: Place, tmp_path: Path) -> None:
    answer = 200, json.dumps({"value": place.github_token()}).encode()
    with actions(answer, failures=1) as (url, asked):
        variables = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-secret"}
        done = place.job(tmp_path / "signed.mender", **variables)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "signed.mender").exists()
    assert asked == [(place.installation.url, "Bearer request-secret")] * 2
    assert not (tmp_path / "state" / "artifact-signer" / "ci-sessions").exists()


@pytest.mark.slow
def test_a_job_of_gitlab_signs_with_one_token_as_often_as_it_likes(place: Place, tmp_path: Path) -> None:
    text = place.gitlab_token()
    for name in ("one", "two", "three"):
        done = place.job(tmp_path / name, ARTIFACT_SIGNER_CI_TOKEN=text)
        assert done.returncode == 0, done.stderr
    kept, _lock = sorted((tmp_path / "state" / "artifact-signer" / "ci-sessions").iterdir())
    assert kept.stat().st_mode & 0o777 == 0o600
    assert text not in kept.read_text()
    sessions = [line for line in events(place) if line["type"] == "ci-session-created"]
    assert [line["actor"] for line in sessions].count("ci:gitlab/20") == 1


def events(place: Place) -> list[dict[str, Any]]:
    done = place.installation.run("events", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["events"]
    return found


def test_the_signature_is_the_identitys(place: Place, tmp_path: Path) -> None:
    place.artifact.write_bytes(ArtifactBuilder(name="of-a-job").build())
    assert place.job(tmp_path / "signed", ARTIFACT_SIGNER_CI_TOKEN=place.gitlab_token()).returncode == 0
    with place.installation.http() as client:
        entries = client.get("/v1/log/entries", params={"artifact": "of-a-job"}).json()["entries"]
    assert [entry["leaf"]["actor"] for entry in entries] == ["ci:gitlab/20"]


@pytest.mark.slow
def test_rules_say_what_an_identity_may_sign(place: Place, tmp_path: Path) -> None:
    text = place.gitlab_token(project_id="30", job_project_id="30")
    place.artifact.write_bytes(ArtifactBuilder(name="for-thirty-1").build())
    silent = place.job(tmp_path / "one", ARTIFACT_SIGNER_CI_TOKEN=text)
    assert (silent.returncode, "there is no key named firmware" in silent.stderr) == (1, True), silent.stderr
    place.allow(RULE, tmp_path)
    allowed = place.job(tmp_path / "two", ARTIFACT_SIGNER_CI_TOKEN=text)
    assert allowed.returncode == 0, allowed.stderr
    place.artifact.write_bytes(ArtifactBuilder(name="for-others-1").build())
    refused = place.job(tmp_path / "three", ARTIFACT_SIGNER_CI_TOKEN=text)
    assert refused.returncode == 1
    assert "project-30" in refused.stderr


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "a job of another branch": ({"ref_path": "refs/heads/other"}, "does not take the token"),
    "a merge request": ({"pipeline_source": "merge_request_event"}, "does not take the token"),
    "a job of another project": ({"project_id": "21"}, "does not take the token"),
    "a job for another service": ({"aud": "https://other.example"}, "does not take the token"),
}


@pytest.mark.parametrize("name", slow_but({"a job of another branch"}, REFUSED))
def test_a_job_signs_nothing(place: Place, tmp_path: Path, name: str) -> None:
    changes, sentence = REFUSED[name]
    text = token(gitlab_claims(place.gitlab.url, **{"aud": place.installation.url, **changes}))
    done = place.job(tmp_path / "signed", ARTIFACT_SIGNER_CI_TOKEN=text)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert text not in done.stderr
    assert not (tmp_path / "signed").exists()
    assert text not in place.installation.log.read_text()


NO_TOKEN: dict[str, tuple[tuple[int, bytes], str]] = {
    "it may not ask": ((403, b"{}"), "HTTP status 403"),
    "it is answered with nothing": ((200, b"{}"), "without 'value'"),
    "it is answered with a number": ((200, b'{"value": 1}'), "answered without a token"),
    "it is answered with HTML": ((200, b"<html>"), "JSON that is not an object"),
    "it is answered hugely": ((200, b" " * 70_000), "too large"),
}


@pytest.mark.parametrize("name", slow_but({"it may not ask"}, NO_TOKEN))
def test_a_job_that_gets_no_token_is_told_so(place: Place, tmp_path: Path, name: str) -> None:
    answer, sentence = NO_TOKEN[name]
    with actions(answer) as (url, _):
        variables = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-secret"}
        done = place.job(tmp_path / "signed", **variables)
    assert done.returncode == 3
    assert sentence in done.stderr
    assert "request-secret" not in done.stderr


VARIABLES: dict[str, tuple[dict[str, str], str]] = {
    "nothing at all": ({}, "gives an API token"),
    "no permission": ({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://127.0.0.1:1/"}, "id-token: write"),
    "a request in plain text": (
        {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://actions.example/", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret"},
        "in plain text"),
    "a URL that is none": (
        {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://[::1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret"}, "is not a URL"),
}  # fmt: skip


@pytest.mark.parametrize("name", slow_but({"nothing at all"}, VARIABLES))
def test_a_job_without_what_it_needs_is_told_so(place: Place, tmp_path: Path, name: str) -> None:
    variables, sentence = VARIABLES[name]
    done = place.job(tmp_path / "signed", **variables)
    assert done.returncode == 3
    assert sentence in done.stderr


def test_of_many_who_show_one_token_to_all_workers_one_gets_a_session(place: Place) -> None:
    text = place.github_token()
    with place.installation.http(headers={}) as client, ThreadPoolExecutor(16) as pool:
        shown = pool.map(lambda _: client.post("/v1/auth/ci", json={"token": text}).status_code, range(64))
        assert sorted(shown) == [201] + [401] * 63


def test_all_who_know_the_nonce_get_the_same_session(place: Place) -> None:
    body = {"token": place.github_token(), "nonce": "n" * 32}
    with place.installation.http(headers={}) as client, ThreadPoolExecutor(8) as pool:
        shown = list(pool.map(lambda _: client.post("/v1/auth/ci", json=body), range(16)))
    assert {each.status_code for each in shown} == {201}
    assert len({each.json()["session"] for each in shown}) == 1


def test_a_revoked_session_signs_nothing_from_then_on_in_any_worker(place: Place) -> None:
    with place.installation.http(headers={}) as client:
        session = client.post("/v1/auth/ci", json={"token": place.github_token()}).json()["session"]
        headers = {"Authorization": f"Bearer {session}", "Accept": "text/plain"}

        def sign(name: str) -> int:
            body = ArtifactBuilder(name=name).build()
            return client.post("/v1/keys/firmware/signatures", content=body, headers=headers).status_code

        assert [sign(f"before-{number}") for number in range(8)] == [200] * 8  # both workers know the session
        done = place.installation.run("ci-sessions", "revoke", session.split("_")[1], "--reason", "leaked")
        assert done.returncode == 0, done.stderr
        assert {sign(f"after-{number}") for number in range(8)} == {401}
    revoked = [event for event in events(place) if event["type"] == "ci-session-revoked"]
    assert revoked[-1]["after"]["reason"] == "leaked"


def test_an_issuer_that_hangs_delays_no_job_whose_key_is_known(place: Place) -> None:
    with place.installation.http(headers={}) as client:
        for _ in range(8):  # both workers know the key
            assert client.post("/v1/auth/ci", json={"token": place.github_token()}).status_code == 201
        place.github.open.clear()
        try:
            with ThreadPoolExecutor(24) as pool:
                odd = token(github_claims(place.github.url, aud=place.installation.url), header={"kid": "unknown"})
                flood = [pool.submit(client.post, "/v1/auth/ci", json={"token": odd}) for _ in range(24)]
                for _ in range(8):
                    assert client.post("/v1/auth/ci", json={"token": place.github_token()}).status_code == 201
                # Wrong credentials are counted, those of other tests too.
                assert {each.result().status_code for each in flood} <= {401, 429, 503}
        finally:
            place.github.open.set()


def test_nothing_that_was_shown_or_given_is_in_the_logs_or_the_database(place: Place) -> None:
    text = place.github_token()
    with place.installation.http(headers={}) as client:
        session = client.post("/v1/auth/ci", json={"token": text, "nonce": "s" * 40}).json()["session"]
        client.get("/v1/keys", headers={"Authorization": f"Bearer {session}"})
    for path in place.installation.directory.rglob("*"):
        if path.is_file() and os.access(path, os.R_OK):
            content = path.read_bytes()
            for secret in (text, text.split(".")[2], session, session.split("_")[2], "s" * 40):
                assert secret.encode() not in content, path
