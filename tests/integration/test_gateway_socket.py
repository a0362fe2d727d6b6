"""The gateway's socket: who may enter, what is found there alone, and whose word counts on which listener."""

from __future__ import annotations

import json
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.running import (
    POLL_SECONDS,
    START_SECONDS,
    Installation,
    command,
    initialise,
    running,
    start,
    stop,
)

CLIENT = "198.51.100.9"
FORWARDED = {"X-Forwarded-For": f"127.0.0.1, {CLIENT}"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A service of two workers whose log is JSON."""
    installation = initialise(tmp_path_factory.mktemp("gw"))
    with running(installation, SERVER_WORKERS="2", LOGGING_FORMAT="json"):
        yield installation


def gateway(installation: Installation) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(installation.directory / "gateway.sock"))
    return httpx.Client(transport=transport, base_url="http://service", timeout=30.0)


def wait_for(path: Path) -> None:
    """Until somebody listens; httpx leaves a socket open where nobody does."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as connection:
            if connection.connect_ex(str(path)) == 0:
                return
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)


def told(installation: Installation, request_id: str) -> object:
    """The client that the log line of a request names."""
    (line,) = (json.loads(line) for line in installation.log_lines() if request_id in line)
    return line.get("client")


def test_init_sets_it_for_owner_and_group(service: Installation) -> None:
    assert 'gateway_socket = "gateway.sock"' in service.config.read_text()
    assert stat.S_IMODE((service.directory / "gateway.sock").stat().st_mode) == 0o660


def test_it_serves_what_the_other_listener_serves_with_the_same_credentials(service: Installation) -> None:
    with gateway(service) as http:
        assert http.get("/healthz").json() == {"status": "ok"}
        assert http.get("/v1/keys").status_code == 401
        allowed = http.get("/v1/keys", headers={"Authorization": f"Bearer {service.api_token}"})
    assert allowed.status_code == 200


def test_it_speaks_no_tls(service: Installation) -> None:
    with gateway(service) as http, pytest.raises((httpx.TransportError, ssl.SSLError)):
        http.get("https://service/healthz")


def test_the_last_hop_is_believed_of_a_gateway(service: Installation) -> None:
    with gateway(service) as http:
        answers = [http.get("/healthz", headers=FORWARDED) for _ in range(2)]
        silent = http.get("/healthz")
    assert {told(service, answer.headers["X-Request-Id"]) for answer in answers} == {CLIENT}
    assert told(service, silent.headers["X-Request-Id"]) is None


def test_it_is_believed_of_nobody_else(service: Installation) -> None:
    with service.http() as http:
        answer = http.get("/healthz", headers=FORWARDED)
    assert told(service, answer.headers["X-Request-Id"]) == "127.0.0.1"


@pytest.mark.parametrize(
    "path",
    [
        "/api/internal/",
        "/api/internal/v1/anything",
        "/api%2Finternal/v1/anything",
        "/api/%69nternal/v1/anything",
        "//api/internal/v1/anything",
        "/v1/../api/internal/v1/anything",
    ],
)
def test_what_is_for_gateways_is_not_found_over_tcp(service: Installation, path: str) -> None:
    with service.http() as http:
        assert http.get(path).json()["code"] == "route-not-found"


@pytest.mark.slow
def test_a_trusted_proxy_is_believed_over_tcp(tmp_path_factory: pytest.TempPathFactory) -> None:
    installation = initialise(tmp_path_factory.mktemp("proxied"))
    settings = {"SERVER_TRUSTED_PROXIES": "127.0.0.1", "SERVER_METRICS_ALLOW": f"{CLIENT},203.0.113.5"}
    with running(installation, SERVER_WORKERS="1", LOGGING_FORMAT="json", **settings):
        with installation.http(headers={}) as http:
            listed = http.get("/metrics", headers=FORWARDED)
            unlisted = http.get("/metrics", headers={"X-Forwarded-For": f"{CLIENT}, 192.0.2.4"})
            silent = http.get("/metrics")
        assert (listed.status_code, unlisted.status_code, silent.status_code) == (200, 401, 401)
        assert told(installation, listed.headers["X-Request-Id"]) == CLIENT


@pytest.mark.slow
def test_beside_a_unix_socket_each_listener_is_what_it_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    installation = initialise(tmp_path_factory.mktemp("both"))
    process = start(
        installation, SERVER_BIND="unix:h.sock", SERVER_TLS="off", SERVER_WORKERS="1", LOGGING_FORMAT="json"
    )
    plain = httpx.HTTPTransport(uds=str(installation.directory / "h.sock"))
    try:
        wait_for(installation.directory / "gateway.sock")
        with httpx.Client(transport=plain, base_url="http://service", timeout=30.0) as http:
            other = http.get("/healthz", headers=FORWARDED)
        with gateway(installation) as http:
            own = http.get("/healthz", headers=FORWARDED)
        assert told(installation, other.headers["X-Request-Id"]) is None
        assert told(installation, own.headers["X-Request-Id"]) == CLIENT
    finally:
        stop(process)
    assert not (installation.directory / "gateway.sock").exists()


@pytest.mark.slow
def test_a_path_that_no_socket_can_have_is_refused_with_the_setting(tmp_path: Path) -> None:
    installation = initialise(tmp_path / "i")
    refused = command(
        "serve",
        "--config",
        installation.config,
        environment={"ARTIFACT_SIGNER_SERVER_GATEWAY_SOCKET": "/tmp/" + "a" * 120},
    )
    assert refused.returncode == 2
    assert "server.gateway_socket" in refused.stderr
