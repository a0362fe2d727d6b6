"""What only a real server shows: its headers, who may do what over HTTPS, revocation, and a Unix socket."""

from __future__ import annotations

import os
import re
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from signer.caller_bootstrap import CREDENTIAL_CACHE_SECONDS
from signer.domain.identity import Role
from tests.artifacts import ArtifactBuilder
from tests.integration.running import POLL_SECONDS, START_SECONDS, Installation, initialise, running, start, stop
from tests.support.roles import ROLE_ACTIONS

ARTIFACT = ArtifactBuilder().build()
SIGN = "/v1/keys/p256/signatures"
FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
# One round trip and a busy machine.
SLACK_SECONDS = 3.0


def issue(service: Installation, name: str, role: Role) -> str:
    """A new API token, by the command that operators use."""
    done = service.run("api-tokens", "create", name, "--role", role.value, "--config", service.config)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def credentials(service: Installation) -> Mapping[Role, str]:
    """An API token of each role."""
    return {role: issue(service, f"details-{role.value}", role) for role in Role}


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request, and the least role that it takes."""

    method: str
    path: str
    least: Role
    status: int
    body: bytes | None = None


REQUESTS = {
    "listing keys": Request(method="GET", path="/v1/keys", least=Role.READER, status=200),
    "reading events": Request(method="GET", path="/v1/events", least=Role.AUDITOR, status=200),
    "fetching public keys": Request(method="GET", path="/v1/keys/p256/public-keys", least=Role.READER, status=200),
    "signing": Request(method="POST", path=SIGN, body=ARTIFACT, least=Role.SIGNER, status=200),
    "signing a whole artifact": Request(
        method="POST", path="/v1/keys/p256/artifacts", body=ARTIFACT, least=Role.SIGNER, status=200
    ),
    "creating a key": Request(
        method="POST", path="/v1/keys", body=b'{"name":"p256","algorithm":"ecdsa-p256"}', least=Role.OPERATOR,
        status=409,
    ),
    "rotating": Request(method="POST", path="/v1/keys/p256/rotate", least=Role.OPERATOR, status=409),
    "retiring": Request(method="POST", path="/v1/keys/p256/versions/1/retire", least=Role.OPERATOR, status=409),
    "destroying": Request(
        method="POST", path="/v1/keys/p256/versions/1/destroy", body=b'{"confirmation":"p256"}',
        least=Role.OPERATOR, status=409,
    ),
    "issuing a certificate": Request(
        method="POST", path="/v1/keys/p256/versions/1/certificate", body=b'{"days":0}', least=Role.OPERATOR,
        status=400,
    ),
}  # fmt: skip


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("sentence", REQUESTS)
def test_a_role_may_what_it_is_for_and_nothing_more(
    service: Installation, credentials: Mapping[Role, str], sentence: str, role: Role
) -> None:
    request = REQUESTS[sentence]
    with service.http(headers={"Authorization": f"Bearer {credentials[role]}"}) as http:
        answer = http.request(request.method, request.path, content=request.body)
    if ROLE_ACTIONS[role] >= ROLE_ACTIONS[request.least]:
        assert answer.status_code == request.status
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "access-denied")
        assert answer.json()["facts"]["identity"] == f"api-token:details-{role.value}"


class TestRevocation:
    def test_a_token_that_nobody_used_yet_is_refused_at_once(self, service: Installation) -> None:
        token = issue(service, "unused", Role.SIGNER)
        self._revoke(service, "unused")
        answer = self._sign(service, token)
        assert (answer.status_code, answer.json()["code"]) == (401, "credentials-rejected")
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    def test_a_token_in_use_gets_no_signature_after_it_was_revoked(self, service: Installation) -> None:
        token = issue(service, "used", Role.SIGNER)
        for _ in range(20):
            assert self._sign(service, token).status_code == 200
        self._revoke(service, "used")
        # Every worker remembers it, and the signature that is on record is asked for as well as a new one. No
        # more often than wrong credentials may be tried.
        for content in (ARTIFACT, ArtifactBuilder(name="another").build()) * 4:
            answer = self._sign(service, token, content)
            assert (answer.status_code, answer.json()["code"]) == (401, "credentials-rejected")

    def test_a_token_in_use_is_refused_within_the_time_that_workers_remember_it(self, service: Installation) -> None:
        token = issue(service, "reading", Role.READER)
        headers = {"Authorization": f"Bearer {token}"}
        with service.http(headers=headers) as http:
            assert http.get("/v1/keys").status_code == 200
        self._revoke(service, "reading")
        begun = time.monotonic()
        with service.http(headers=headers) as http:
            while (answer := http.get("/v1/keys")).status_code == 200:
                assert time.monotonic() - begun < CREDENTIAL_CACHE_SECONDS + SLACK_SECONDS
                time.sleep(POLL_SECONDS)
        assert (answer.status_code, answer.json()["code"]) == (401, "credentials-rejected")
        with service.http() as http:
            types = [event["type"] for event in http.get("/v1/events?limit=1000").json()["events"]]
        assert {"api-token-created", "api-token-revoked"} <= set(types)

    def _sign(self, service: Installation, token: str, content: bytes = ARTIFACT) -> httpx.Response:
        with service.http(headers={"Authorization": f"Bearer {token}"}) as http:
            return http.post(SIGN, content=content)

    def _revoke(self, service: Installation, name: str) -> None:
        done = service.run("api-tokens", "revoke", name, "--config", service.config)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr


ANSWERS: Mapping[str, Callable[[httpx.Client], httpx.Response]] = {
    "a document": lambda http: http.get("/v1/keys"),
    "a key in PEM": lambda http: http.get("/v1/keys/p256/versions/1/public-key"),
    "an artifact": lambda http: http.post("/v1/keys/p256/artifacts", content=ARTIFACT),
    "a refusal": lambda http: http.get("/v1/keys/nothing"),
    "no such route": lambda http: http.get("/v1//keys"),
    "no such method": lambda http: http.delete("/v1/keys"),
    "HEAD": lambda http: http.head("/v1/keys"),
    "HEAD of nothing": lambda http: http.head("/v1/keys/nothing"),
    "OPTIONS": lambda http: http.options("/v1/keys"),
    "a header field that is too long": lambda http: http.get("/healthz", headers={"X-Long": "a" * 10_000}),
}


@pytest.mark.parametrize("sentence", ANSWERS)
def test_no_answer_is_html_or_names_the_software_below(service: Installation, sentence: str) -> None:
    with service.http() as http:
        answer = ANSWERS[sentence](http)
    assert answer.headers.get("Server", "artifact-signer") == "artifact-signer"
    assert "gunicorn" not in str(answer.headers).lower()
    assert "html" not in answer.headers.get("Content-Type", "")
    assert b"<" not in answer.content[:1]
    assert not answer.is_redirect


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/keys", "/v1/keys/p256/versions/1/public-key"])
def test_head_answers_as_get_does_and_the_connection_goes_on(service: Installation, path: str) -> None:
    with service.http() as http:
        got, head, again = http.get(path), http.head(path), http.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert again.content


def test_readiness_has_moments_of_the_one_form(service: Installation) -> None:
    with service.http() as http:
        document = http.get("/readyz").json()
    assert document["workers"] == {"ready": 1, "expected": 1}
    assert document["conditions"]
    for moment in (document["checked_at"], *(item["since"] for item in document["conditions"])):
        assert FORM.fullmatch(moment)


@contextmanager
def masked(umask: int) -> Iterator[None]:
    """Processes that are started have this umask."""
    before = os.umask(umask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o000, 0o077], ids=["open", "closed"])
def test_a_unix_socket_is_for_owner_and_group_whatever_the_umask(
    tmp_path_factory: pytest.TempPathFactory, umask: int
) -> None:
    installation = initialise(tmp_path_factory.mktemp("unix"))
    # Relative to the configuration, and short: the path of a socket has at most 107 bytes.
    with masked(umask):
        process = start(installation, SERVER_BIND="unix:run/http.sock", SERVER_TLS="off", SERVER_WORKERS="1")
    path = installation.directory / "run" / "http.sock"
    try:
        assert _healthy(path), installation.log.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        stop(process)


def _healthy(path: Path) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while not _listening(path):
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)
    transport = httpx.HTTPTransport(uds=str(path))
    with httpx.Client(transport=transport, base_url="http://service", timeout=START_SECONDS) as http:
        answer: object = http.get("/healthz").json()
    return answer == {"status": "ok"}


def _listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


@pytest.mark.slow
def test_guessing_is_answered_with_when_to_come_back_and_hinders_nobody_at_work(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    installation = initialise(tmp_path_factory.mktemp("guessing"))
    with (
        running(installation, SERVER_WORKERS="1", LIMITS_FAILED_ATTEMPTS="1"),
        installation.http() as owner,
        installation.http(headers={"Authorization": "Bearer ast_x"}) as stranger,
    ):
        assert owner.get("/v1/keys").status_code == 200
        answers = [stranger.get("/v1/keys") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [401] + [429] * 3
        assert answers[-1].json()["code"] == "too-many-attempts"
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        assert owner.get("/v1/keys").status_code == 200
        assert stranger.get("/healthz").status_code == 200


STRANGERS: dict[str, dict[str, str]] = {
    "no credentials": {},
    "credentials that prove nothing": {"Authorization": "Bearer as_0123456789abcdef_nothing"},
    "credentials of another kind": {"Authorization": "Basic YTpi"},
}


@pytest.mark.parametrize("sentence", STRANGERS)
def test_strangers_are_told_a_state_and_no_names(service: Installation, sentence: str) -> None:
    with service.http(headers=STRANGERS[sentence]) as http:
        answer = http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
