"""A pipeline's API token on a real service of two workers: what it may, what a thief of it may not, and how it ends."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.running import POLL_SECONDS, START_SECONDS, Installation, command, initialise, running
from tests.integration.test_under_load import new_manifest

POLICY = """\
version = 1
[[rules]]
name = "owner"
effect = "allow"
principals = ["api-token:admin"]
actions = ["sign", "read", "manage", "read-log", "administer"]
keys = ["**"]
[[rules]]
name = "builds"
effect = "allow"
principals = ["role:build"]
actions = ["sign", "read", "manage", "read-log", "administer"]
keys = ["**"]
[[rules]]
name = "metered"
effect = "allow"
principals = ["role:metered"]
actions = ["sign"]
keys = ["fw-a"]
limits = { per_day = 5 }
"""
SIGNATURES = "/v1/keys/{}/signatures"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two workers, the keys fw-a and boot, and rules that give a lot to whoever has the role build."""
    installation = initialise(tmp_path_factory.mktemp("tokens"))
    with running(installation, SERVER_WORKERS="2", LIMITS_FAILED_ATTEMPTS="0"):
        for key in ("fw-a", "boot"):
            assert installation.run("keys", "create", key, "--algorithm", "ecdsa-p256").returncode == 0
        policy = installation.directory / "policy.toml"
        policy.write_text(POLICY)
        done = installation.run("policy", "apply", policy, "--reason", "test")
        assert done.returncode == 0, done.stderr
        yield installation


def create(service: Installation, name: str, *options: str) -> str:
    """The text of a new token, made over the API."""
    done = service.run("api-tokens", "create", name, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def as_bearer(service: Installation, token: str) -> httpx.Client:
    return service.http(headers={"Authorization": f"Bearer {token}"})


def sign(service: Installation, token: str, key: str = "fw-a", manifest: bytes | None = None) -> httpx.Response:
    """Over a connection of its own, so that either worker may have it."""
    with as_bearer(service, token) as http:
        return http.post(SIGNATURES.format(key), content=manifest or new_manifest())


def listed(service: Installation, name: str, *options: str | Path) -> dict[str, Any]:
    done = service.run("api-tokens", "list", "--json", *options)
    assert done.returncode == 0, done.stderr
    (found,) = (token for token in json.loads(done.stdout)["api_tokens"] if token["name"] == name)
    return dict(found)


ATTEMPTS: dict[str, tuple[str, str, Any, int]] = {
    "signing with another key": ("POST", SIGNATURES.format("boot"), b"manifest", 404),
    "signing with a key that does not exist": ("POST", SIGNATURES.format("nothing"), b"manifest", 404),
    "looking at another key": ("GET", "/v1/keys/boot", None, 404),
    "another key's public keys": ("GET", "/v1/keys/boot/public-keys", None, 404),
    "making a key": ("POST", "/v1/keys", {"name": "fw-mine", "algorithm": "ecdsa-p256"}, 403),
    "rotating its key": ("POST", "/v1/keys/fw-a/rotate", {}, 403),
    "destroying its key": ("POST", "/v1/keys/fw-a/versions/1/destroy", {"confirmation": "fw-a"}, 403),
    "making a token": ("POST", "/v1/api-tokens", {"name": "mine", "role": "administrator"}, 403),
    "listing tokens": ("GET", "/v1/api-tokens", None, 403),
    "revoking the owner's": ("POST", "/v1/api-tokens/admin/revoke", {}, 403),
    "reading the log": ("GET", "/v1/log/entries", None, 403),
    "reading events": ("GET", "/v1/events", None, 403),
    "reading the policy": ("GET", "/v1/policy", None, 403),
    "writing the policy": ("POST", "/v1/policy", {"text": "version = 1", "reason": "mine", "expected": 1}, 403),
    "making people": ("POST", "/v1/people", {"name": "eve", "display": "Eve"}, 403),
}


@pytest.fixture(scope="module")
def token(service: Installation) -> str:
    """A pipeline's own: it may sign with some keys, for an hour."""
    return create(service, "build", "--role", "build", "--key", "fw-*", "--action", "sign", "--expires-in", "1h")


class TestAStolenBuildToken:
    """Its rules give it everything; what it was limited to when it was made is all that it may."""

    def test_it_signs_with_its_key(self, service: Installation, token: str) -> None:
        assert sign(service, token).status_code == 200

    def test_it_sees_its_key_and_no_other(self, service: Installation, token: str) -> None:
        with as_bearer(service, token) as http:
            assert [key["name"] for key in http.get("/v1/keys").json()["keys"]] == ["fw-a"]

    @pytest.mark.parametrize("sentence", ATTEMPTS)
    def test_it_may_nothing_else(self, service: Installation, token: str, sentence: str) -> None:
        method, path, body, status = ATTEMPTS[sentence]
        content = body if isinstance(body, bytes) else None
        with as_bearer(service, token) as http:
            answer = http.request(method, path, content=content, json=None if content is not None else body)
        assert answer.status_code == status, answer.text
        assert status != 404 or answer.json()["code"] == "key-not-found"

    def test_its_id_with_another_secret_proves_nothing(self, service: Installation, token: str) -> None:
        for guess in (token[:-1] + "0", token[:21] + "0" * 49, token[:20], token[4:]):
            assert sign(service, guess).json()["code"] == "credentials-rejected"

    def test_what_it_is_limited_to_is_told_to_who_administers(self, service: Installation, token: str) -> None:
        sign(service, token)
        shown = listed(service, "build")
        assert (shown["keys"], shown["actions"], shown["role"]) == (["fw-*"], ["sign"], "build")


def test_a_revoked_token_gets_no_signature_from_then_on_in_any_worker(service: Installation) -> None:
    gone = create(service, "gone", "--role", "build")
    assert {sign(service, gone).status_code for _ in range(8)} == {200}
    assert service.run("api-tokens", "revoke", "gone").returncode == 0
    assert {sign(service, gone).json()["code"] for _ in range(12)} == {"credentials-rejected"}
    assert "was revoked before" in service.run("api-tokens", "revoke", "gone").stderr


@pytest.mark.slow
def test_a_persons_tokens_end_with_the_person_in_any_worker(service: Installation) -> None:
    assert service.run("people", "create", "ada").returncode == 0
    hers = create(service, "adas", "--role", "build", "--person", "ada")
    assert {sign(service, hers).status_code for _ in range(8)} == {200}
    assert service.run("people", "disable", "ada", "--reason", "left").returncode == 0
    assert {sign(service, hers).json()["code"] for _ in range(12)} == {"credentials-rejected"}
    refused = service.run("api-tokens", "create", "adas-next", "--person", "ada")
    assert refused.returncode == 1
    assert "ada" in refused.stderr


def test_a_token_ends_while_it_is_in_use(service: Installation) -> None:
    short = create(service, "short", "--role", "build", "--expires-in", "3s")
    deadline = time.monotonic() + START_SECONDS
    seen = []
    while not seen or seen[-1] != "credentials-expired":
        assert time.monotonic() < deadline
        answer = sign(service, short)
        seen.append("signed" if answer.status_code == 200 else answer.json()["code"])
        time.sleep(POLL_SECONDS)
    assert set(seen) <= {"signed", "credentials-expired"}
    assert {sign(service, short).json()["code"] for _ in range(8)} == {"credentials-expired"}


def test_a_limit_is_one_over_both_workers(service: Installation) -> None:
    metered = create(service, "metered", "--role", "metered")
    manifests = [new_manifest() for _ in range(12)]
    answers = [sign(service, metered, manifest=manifest) for manifest in manifests]
    assert Counter(answer.status_code for answer in answers) == {200: 5, 429: 7}
    assert {answer.json()["code"] for answer in answers[5:]} == {"rate-limited"}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 86400 for answer in answers[5:])
    assert {sign(service, metered, manifest=manifest).status_code for manifest in manifests[:5]} == {200}
    other = create(service, "metered-too", "--role", "metered")
    assert sign(service, other).status_code == 200


@pytest.mark.slow
def test_uses_are_on_record_when_the_service_has_stopped(tmp_path: Path) -> None:
    installation = initialise(tmp_path / "i")
    with running(installation, SERVER_WORKERS="1"), installation.http() as http:
        assert http.get("/v1/keys").status_code == 200
    done = command("api-tokens", "list", "--json", "--config", installation.config)
    (admin,) = json.loads(done.stdout)["api_tokens"]
    assert admin["last_used_at"] is not None
