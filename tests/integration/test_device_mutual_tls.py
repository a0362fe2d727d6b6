"""Debian's Mender client with certificates of a CA in the token, behind nginx and at our own TLS server."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signer.domain.access.presets import init_text
from tests.hsm.children import wait_until
from tests.integration.fleet import EMAIL, INVENTORY, NEXT, PASSWORD, Fleet
from tests.integration.running import command, free_port, initialise, running
from tests.signer.certificates.device_scene import request_of
from tests.support.client_cas import new_ca
from tests.support.device_side import SomeDevice, new_key
from tests.support.gateway_site import Answering, answering_server, nginx
from tests.support.mender_client import MenderClient, require_mender_client

AUTH_REQUESTS = "/api/devices/v1/authentication/auth_requests"
CERTIFICATES = "/api/devices/v1/certificates"
SETTINGS = """
[[client_ca]]
name = "fleet"
file = "fleet.pem"
use = "device"
field = "cn"
attribute = "serial"
key = "device-ca"
certificate_days = 1
renewal_days = 1
"""
HEADER = {"SERVER_CERTIFICATE_HEADER": "nginx", "SERVER_WORKERS": "1"}
pytestmark = pytest.mark.slow


@dataclass
class Site(Fleet):
    """A fleet with mutual TLS. Devices have files ``crt`` and ``key`` in their directories."""

    def issue(self, directory: Path, device: SomeDevice) -> Path:
        """A certificate for the device, asked for with the command, beside its key; gives the directory."""
        directory.mkdir(exist_ok=True)
        key = device.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (directory / "key").write_bytes(key)
        (directory / "csr").write_bytes(request_of(device.key))
        identity = json.dumps({"serial": device.serial, "mac": "02:00:00:00:00:01"})
        made = self.installation.run(
            "devices", "certificates", "issue", "fleet", directory / "csr", "--identity", identity
        )
        assert made.returncode == 0, made.stderr
        (directory / "crt").write_text(made.stdout)
        return directory

    def mender(self, directory: Path, serial: str, *, url: str | None = None, **options: Any) -> MenderClient:
        """Debian's client with the certificate that lies in ``directory``."""
        https = {"Certificate": str(directory / "crt"), "Key": str(directory / "key")}
        return MenderClient(
            directory=directory / "client",
            url=url or self.url,
            certificate=self.certificate,
            serial=serial,
            https=https,
            **options,
        )

    def with_certificate(self, directory: Path, base: str | None = None, **options: Any) -> httpx.Client:
        """A client that shows it, behind nginx or at ``base``."""
        context = self.installation.tls()
        context.load_cert_chain(directory / "crt", directory / "key")
        return httpx.Client(base_url=base or self.url, verify=context, timeout=30.0, **options)

    def token(self, directory: Path, device: SomeDevice, base: str | None = None) -> httpx.Response:
        """The device asks for a token."""
        body = device.body()
        headers = {"Content-Type": "application/json", "X-MEN-Signature": device.sign(body)}
        with self.with_certificate(directory, base, headers=headers) as http:
            return http.post(AUTH_REQUESTS, content=body)

    def renew(self, directory: Path, token: str, base: str | None = None) -> httpx.Response:
        """It asks for its next certificate."""
        headers = {"Authorization": f"Bearer {token}"}
        with self.with_certificate(directory, base, headers=headers) as http:
            return http.post(CERTIFICATES, content=(directory / "csr").read_bytes())

    def revoke(self, directory: Path) -> None:
        """As the person who looks after devices writes it: with colons, in upper case."""
        serial = f"{serial_of(directory):X}"
        written = ":".join(f"0{serial}"[-len(serial) - len(serial) % 2 :][i : i + 2] for i in range(0, len(serial), 2))
        done = self.installation.run("devices", "certificates", "revoke", "fleet", written, "--reason", "lost")
        assert done.returncode == 0, done.stderr

    def refusals(self, code: str) -> int:
        """How many lines of the service's log say so."""
        return sum(code in line for line in self.installation.log_lines())


def serial_of(directory: Path) -> int:
    return x509.load_pem_x509_certificate((directory / "crt").read_bytes()).serial_number


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("mutual")
    installation = initialise(directory / "i")
    installation.apply(init_text("admin"))
    (directory / "password").write_text(PASSWORD + "\n")
    made = command("users", "create", EMAIL, "--password-file", directory / "password", "--config", installation.config)
    assert made.returncode == 0, made.stderr
    # Another one's, until the key of the CA is made.
    file = installation.directory / "fleet.pem"
    file.write_bytes(new_ca("fleet").pem)
    with installation.config.open("a") as config:
        config.write(SETTINGS)
    backend, port = Answering(status=lambda path: 204 if "deployments/next" in path else 200), free_port()
    with running(installation, **HEADER) as process, answering_server(backend) as behind:
        created = installation.run("keys", "create", "device-ca", "--purpose", "device-ca", "--algorithm", "ecdsa-p256")
        assert created.returncode == 0, created.stderr
        file.write_text(installation.run("keys", "certificate", "device-ca", "--version", "1").stdout)
        process.send_signal(signal.SIGHUP)
        site = Site(installation=installation, port=port, backend=backend)
        wait_until(lambda: _issues(site, directory))
        written = command(
            "gateway", "config", "--nginx", "--config", installation.config, "--listen", f"127.0.0.1:{port}",
            "--upstream", f"http://127.0.0.1:{behind}", "--client-ca", file,
            environment={"ARTIFACT_SIGNER_SERVER_CERTIFICATE_HEADER": "nginx"},
        )  # fmt: skip
        assert written.returncode == 0, written.stderr
        (directory / "nginx").mkdir()
        with nginx(directory / "nginx", written.stdout, port):
            yield site


def _issues(site: Site, directory: Path) -> bool:
    """Whether the worker has read the file of the CA."""
    (directory / "csr").write_bytes(request_of(new_key()))
    done = site.installation.run(
        "devices", "certificates", "issue", "fleet", directory / "csr", "--identity", '{"serial": "nobody"}'
    )
    return done.returncode == 0


@pytest.fixture
def mender() -> None:
    require_mender_client()


@pytest.mark.usefixtures("mender")
def test_a_daemon_is_accepted_without_a_hand_renews_and_is_revoked(site: Site, tmp_path: Path) -> None:
    """Behind nginx: nobody accepts it, its certificate is renewed and then revoked while it runs."""
    device = SomeDevice(serial="daemon")
    directory = site.issue(tmp_path / "device", device)
    client = site.mender(directory, "daemon")
    accepted = client.bootstrap()
    assert accepted.returncode == 0, accepted.stderr
    with client.daemon() as daemon:
        assert site.backend.wait_for(NEXT)
        assert site.backend.wait_for(INVENTORY)
        assert site.device("daemon")["status"] == "accepted"

        # Its certificate is renewed by whatever runs beside it, with its token; both hold.
        first, token = serial_of(directory), site.device_token(NEXT)
        renewed = site.renew(directory, token)
        assert renewed.status_code == 200, renewed.text
        before = len(site.backend.seen)
        daemon.check_for_updates()
        assert site.backend.wait_for(NEXT, before)
        old = (directory / "crt").read_text()
        (directory / "crt").write_text(renewed.text)
        assert serial_of(directory) != first

        # The one that the daemon has in memory is revoked: it comes by nowhere, and gets no token.
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / "crt").write_text(old)
        site.revoke(tmp_path / "old")
        before, refused = len(site.backend.seen), site.refusals("client-certificate-revoked")
        daemon.check_for_updates()
        wait_until(lambda: site.refusals("client-certificate-revoked") > refused + 1)
        assert [each.target for each in site.backend.seen[before:]] == []

    # A restart reads the renewed one.
    before = len(site.backend.seen)
    with client.daemon():
        assert site.backend.wait_for(NEXT, before)


@pytest.mark.usefixtures("mender")
def test_at_our_own_server_it_is_the_same(site: Site, tmp_path: Path) -> None:
    own, device = site.installation.url, SomeDevice(serial="own")
    directory = site.issue(tmp_path / "device", device)
    client = site.mender(directory, "own", url=own)
    accepted = client.bootstrap()
    assert accepted.returncode == 0, accepted.stderr

    token = site.token(directory, device, own).text
    renewed = site.renew(directory, token, own)
    assert renewed.status_code == 200, renewed.text
    old = (directory / "crt").read_text()
    site.revoke(directory)
    assert client.bootstrap().returncode == 1
    (directory / "crt").write_text(renewed.text)
    again = client.bootstrap()
    assert again.returncode == 0, again.stderr
    assert old != renewed.text


@pytest.mark.usefixtures("mender")
def test_a_client_that_signs_with_another_key_than_its_certificates_is_refused_by_name(
    site: Site, tmp_path: Path
) -> None:
    directory = site.issue(tmp_path / "device", SomeDevice(serial="two-keys"))
    other = new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "other").write_bytes(other)
    client = site.mender(directory, "two-keys", security={"AuthPrivateKey": str(directory / "other")})
    before = site.refusals("device-certificate-key-differs")
    refused = client.bootstrap()
    assert refused.returncode == 1
    assert "the key of the certificate is not the key of the request" in refused.stderr
    assert site.refusals("device-certificate-key-differs") > before


def code(answer: httpx.Response) -> str:
    return "" if answer.is_success else str(answer.json()["code"])


def enrolled(site: Site, directory: Path, serial: str) -> tuple[Path, str]:
    """A device with its token."""
    device = SomeDevice(serial=serial)
    site.issue(directory, device)
    answer = site.token(directory, device)
    assert answer.status_code == 200, answer.text
    return directory, answer.text


def test_a_token_and_a_certificate_of_two_devices_go_nowhere(site: Site, tmp_path: Path) -> None:
    mine, token = enrolled(site, tmp_path / "mine", "mine")
    other, _ = enrolled(site, tmp_path / "other", "other")
    headers = {"Authorization": f"Bearer {token}"}
    with site.with_certificate(mine, headers=headers) as http:
        assert http.put(INVENTORY).status_code == 200
    before = len(site.backend.seen)
    with site.with_certificate(other, headers=headers) as http:
        assert http.put(INVENTORY).status_code == 401
    with site.http(headers=headers) as http:
        assert http.put(INVENTORY).status_code == 400  # nginx, which demands one
    assert len(site.backend.seen) == before


@pytest.mark.parametrize("place", ["nginx", "own"])
def test_a_replayed_auth_request_is_of_no_use_without_the_key(site: Site, tmp_path: Path, place: str) -> None:
    base = site.installation.url if place == "own" else None
    device = SomeDevice(serial=f"replayed-{place}")
    directory = site.issue(tmp_path / "mine", device)
    assert site.token(directory, device, base).status_code == 200
    thief = site.issue(tmp_path / "thief", SomeDevice(serial=f"thief-{place}"))
    refused = site.token(thief, device, base)
    assert (refused.status_code, code(refused)) == (401, "device-certificate-key-differs")
    body = device.body()
    headers = {"Content-Type": "application/json", "X-MEN-Signature": device.sign(body)}
    if base is not None:
        with site.installation.http(headers=headers) as http:
            assert code(http.post(AUTH_REQUESTS, content=body)) == "device-certificate-missing"


def test_a_certificate_of_a_device_is_no_caller(site: Site, tmp_path: Path) -> None:
    directory, _ = enrolled(site, tmp_path / "caller", "caller")
    with site.with_certificate(directory, site.installation.url) as http:
        assert code(http.get("/v1/keys")) == "client-certificate-of-device"


def test_the_list_and_the_numbers_of_what_is_revoked(site: Site, tmp_path: Path) -> None:
    directory, _ = enrolled(site, tmp_path / "lost", "lost")
    site.revoke(directory)
    numbers = site.installation.run("devices", "certificates", "serials", "fleet").stdout.split()
    assert f"{serial_of(directory):x}" in numbers
    listed = tmp_path / "fleet.crl"
    done = site.installation.run("devices", "certificates", "crl", "fleet", "--out", listed)
    assert done.returncode == 0, done.stderr
    crl = x509.load_pem_x509_crl(listed.read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(serial_of(directory)) is not None
    shown = json.loads(site.installation.run("devices", "certificates", "list", "--ca", "fleet", "--json").stdout)
    local = command("devices", "certificates", "list", "--ca", "fleet", "--json", "--config", site.installation.config)
    assert json.loads(local.stdout) == shown
    (found,) = (each for each in shown["device_certificates"] if each["serial"] == f"{serial_of(directory):x}")
    assert found["revoked_at"] is not None
