"""Mutual TLS with a running service: who a certificate makes of a request, on connections that live longer than it."""

from __future__ import annotations

import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.x509 import UniformResourceIdentifier

from tests.hsm.children import wait_until
from tests.integration.mutual_tls import (
    BUILD,
    BUILDS,
    DEVICE,
    DEVICE_USE,
    DEVICES,
    FORGED,
    IDENTITY,
    KNOWN,
    STRANGER,
    Row,
    as_nginx_tells,
    as_rfc_9440_tells,
    bearer,
    by_gateway,
    by_tls,
    code,
    trust,
)
from tests.integration.running import Installation, initialise, running
from tests.support.client_cas import DAY, PRESENT, Wanted, common_names, new_ca


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two workers; callers and devices have CAs, and a gateway tells as nginx does."""
    installation = initialise(tmp_path_factory.mktemp("mtls"))
    trust(installation, builds=(BUILDS, IDENTITY), devices=(DEVICES, DEVICE_USE))
    with running(installation, SERVER_WORKERS="2", SERVER_CERTIFICATE_HEADER="nginx", SERVER_KEEP_ALIVE="60"):
        yield installation


BY_TLS = {
    "a good certificate": Row(issued=BUILD, code=""),
    "an API token alone": Row(issued=None, code="", token=True),
    "a device's beside an API token": Row(issued=DEVICE, code="", token=True),
    "nothing": Row(issued=None, code="credentials-missing"),
    "a device's": Row(issued=DEVICE, code="client-certificate-of-device"),
    "a good one beside an API token": Row(issued=BUILD, code="credentials-ambiguous", token=True),
    "one without the extended key usage": Row(
        issued=BUILDS.issue(Wanted(uses=None)), code="client-certificate-rejected"
    ),
    "one with a flaw beside an API token": Row(
        issued=BUILDS.issue(Wanted(uses=None)), code="credentials-ambiguous", token=True
    ),
    "one that names nobody": Row(
        issued=BUILDS.issue(Wanted(alternatives=None)), code="client-certificate-name-missing"
    ),
    "one that names two": Row(
        issued=BUILDS.issue(Wanted(alternatives=[UniformResourceIdentifier(f"spiffe://example/{n}") for n in "ab"])),
        code="client-certificate-name-ambiguous",
    ),
}


@pytest.mark.parametrize("sentence", BY_TLS)
def test_a_request_is_made_by(service: Installation, tmp_path: Path, sentence: str) -> None:
    row = BY_TLS[sentence]
    with by_tls(service, row.issued, tmp_path, bearer(service) if row.token else None) as http:
        assert [code(http.get(KNOWN)) for _ in range(3)] == [row.code] * 3


ENDED = {
    "of another CA of the same name": STRANGER.issue(),
    "expired": BUILDS.issue(Wanted(ends=PRESENT - DAY / 2)),
    "of its own": new_ca("own", wanted=Wanted()).issuer,
}


@pytest.mark.parametrize("sentence", ENDED)
def test_a_handshake_ends_with_a_certificate(service: Installation, tmp_path: Path, sentence: str) -> None:
    with by_tls(service, ENDED[sentence], tmp_path) as http, pytest.raises(httpx.TransportError):
        http.get("/healthz")


def test_who_is_known_may_do_only_what_rules_say(service: Installation, tmp_path: Path) -> None:
    with by_tls(service, BUILD, tmp_path) as http:
        denied = http.post("/v1/keys", json={"name": "mine", "algorithm": "ecdsa-p256"})
    assert (denied.status_code, code(denied)) == (403, "access-denied")


def test_the_log_says_who_it_was(service: Installation, tmp_path: Path) -> None:
    with by_tls(service, BUILD, tmp_path) as http:
        request_id = http.get(KNOWN).headers["X-Request-Id"]
    (line,) = (line for line in service.log_lines() if request_id in line)
    assert "mtls:builds:spiffe://example.org/build" in line


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_asked_nothing(service: Installation, tmp_path: Path, path: str) -> None:
    for issued in (None, BUILD, DEVICE, BUILDS.issue(Wanted(uses=None))):
        with by_tls(service, issued, tmp_path) as http:
            assert http.get(path).status_code in (200, 503)


def test_a_certificate_expires_on_an_open_connection(service: Installation, tmp_path: Path) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4)
    with by_tls(service, BUILDS.issue(Wanted(ends=ends)), tmp_path) as http:
        assert code(http.get(KNOWN)) == ""
        deadline = time.monotonic() + 60
        while not (refused := code(http.get(KNOWN))):
            assert time.monotonic() < deadline
        assert (refused, datetime.now(UTC) > ends) == ("client-certificate-expired", True)


def changed(service: Installation, *arguments: str) -> None:
    done = service.run(*arguments)
    assert done.returncode == 0, done.stderr


def until_refused(http: httpx.Client) -> str:
    """What ends what the certificate of an open connection proves; it is remembered for a while."""
    wait_until(lambda: code(http.get(KNOWN)) != "")
    return code(http.get(KNOWN))


def test_a_certificate_is_revoked_on_an_open_connection(service: Installation, tmp_path: Path) -> None:
    lost, kept = BUILDS.issue(), BUILDS.issue()
    with (
        by_tls(service, lost, tmp_path) as http,
        by_tls(service, kept, tmp_path) as other,
        by_gateway(service) as gateway,
    ):
        assert (code(http.get(KNOWN)), code(other.get(KNOWN))) == ("", "")
        changed(service, "client-certificates", "revoke", "builds", lost.serial.upper(), "--reason", "stolen")
        assert until_refused(http) == "client-certificate-revoked"
        assert code(gateway.get(KNOWN, headers=as_nginx_tells(lost))) == "client-certificate-revoked"
        assert code(other.get(KNOWN)) == ""
    listed = service.run("client-certificates", "list", "--json").stdout
    assert (lost.serial in listed, kept.serial in listed) == (True, False)


@pytest.mark.slow
def test_a_person_is_disabled_on_an_open_connection(service: Installation, tmp_path: Path) -> None:
    name = "spiffe://example.org/laptop"
    laptop = BUILDS.issue(Wanted(alternatives=[UniformResourceIdentifier(name)]))
    changed(service, "people", "create", "ada")
    changed(service, "identities", "assign", f"mtls:builds:{name}", "ada")
    with by_tls(service, laptop, tmp_path) as http, by_tls(service, BUILD, tmp_path) as other:
        wait_until(lambda: code(http.get(KNOWN)) == "")
        changed(service, "people", "disable", "ada", "--reason", "left")
        assert until_refused(http) == "credentials-rejected"
        assert code(other.get(KNOWN)) == ""


# Behind a gateway.


TOLD = {
    "a good certificate": (as_nginx_tells(BUILD), ""),
    "that there is none": ({"X-SSL-Client-Verify": "NONE"}, "credentials-missing"),
    "nothing": ({}, "credentials-missing"),
    "a device's": (as_nginx_tells(DEVICE), "client-certificate-of-device"),
    "one that it has not verified": (as_nginx_tells(BUILD, "FAILED:expired"), "certificate-header-unverified"),
    "another CA's of the same name, as verified": (
        as_nginx_tells(STRANGER.issue()),
        "client-certificate-issuer-unknown",
    ),
    "one that has expired, as verified": (
        as_nginx_tells(BUILDS.issue(Wanted(ends=PRESENT - DAY / 2))),
        "client-certificate-expired",
    ),
    "a CN with a NUL, as verified": (
        as_nginx_tells(BUILDS.issue(Wanted(subject=common_names("admin\0"), alternatives=None))),
        "client-certificate-name-missing",
    ),
    "in the other form": (as_rfc_9440_tells(BUILD), "certificate-header-untrusted"),
    "without its verdict": (
        {"X-SSL-Client-Cert": as_nginx_tells(BUILD)["X-SSL-Client-Cert"]},
        "certificate-header-invalid",
    ),
}


@pytest.mark.parametrize("sentence", TOLD)
def test_a_gateway_tells(service: Installation, sentence: str) -> None:
    headers, refused = TOLD[sentence]
    with by_gateway(service) as http:
        assert [code(http.get(KNOWN, headers=headers)) for _ in range(2)] == [refused] * 2


def test_a_gateway_tells_beside_an_api_token(service: Installation) -> None:
    with by_gateway(service) as http:
        both = http.get(KNOWN, headers={**as_nginx_tells(BUILD), **bearer(service)})
        alone = http.get(KNOWN, headers={"X-SSL-Client-Verify": "NONE", **bearer(service)})
    assert (code(both), code(alone)) == ("credentials-ambiguous", "")


@pytest.mark.parametrize("sentence", FORGED)
def test_nobody_else_tells(service: Installation, tmp_path: Path, sentence: str) -> None:
    """Whatever else they show."""
    for issued, headers in ((None, {}), (BUILD, {}), (None, bearer(service))):
        with by_tls(service, issued, tmp_path, headers) as http:
            answer = http.get(KNOWN, headers=FORGED[sentence])
        assert (answer.status_code, code(answer)) == (400, "certificate-header-untrusted")


def test_a_header_with_underscores_tells_nothing(service: Installation, tmp_path: Path) -> None:
    forged = {name.replace("-", "_"): value for name, value in as_nginx_tells(BUILD).items()}
    with by_tls(service, None, tmp_path) as http, by_gateway(service) as gateway:
        assert code(http.get(KNOWN, headers=forged)) == "credentials-missing"
        assert code(gateway.get(KNOWN, headers=forged)) == "credentials-missing"


# The files of the CAs are read again.


Served = tuple[Installation, subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    installation = initialise(tmp_path_factory.mktemp("hup"))
    trust(installation, builds=(BUILDS, IDENTITY))
    with running(installation, SERVER_WORKERS="2", SERVER_KEEP_ALIVE="60") as process:
        yield installation, process


@pytest.mark.slow
def test_a_ca_that_is_taken_away_ends_what_its_certificates_prove_on_open_connections(
    served: Served, tmp_path: Path
) -> None:
    installation, process = served
    with by_tls(installation, BUILD, tmp_path) as http:
        assert code(http.get(KNOWN)) == ""
        STRANGER.write(installation.directory, "builds")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: code(http.get(KNOWN)) == "client-certificate-issuer-unknown")
    newcomer = STRANGER.issue()

    def known() -> bool:
        try:
            with by_tls(installation, newcomer, tmp_path) as http:
                return code(http.get(KNOWN)) == ""
        except httpx.TransportError:
            return False

    wait_until(known)


@pytest.mark.slow
def test_a_broken_file_changes_nothing(served: Served, tmp_path: Path) -> None:
    installation, process = served
    BUILDS.write(installation.directory, "builds")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: _knows(installation, tmp_path))
    (installation.directory / "builds.pem").write_text("no certificate")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: "certificate and client CAs stay as they were: builds" in installation.log.read_text())
    assert _knows(installation, tmp_path)


def _knows(installation: Installation, directory: Path) -> bool:
    try:
        with by_tls(installation, BUILD, directory) as http:
            return code(http.get(KNOWN)) == ""
    except (httpx.TransportError, ssl.SSLError):
        return False
