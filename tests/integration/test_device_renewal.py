"""The package ``device`` over mutual TLS with a CA in the token: renewal, and a change of key and certificate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.certificates import issued_name
from device.errors import DeviceError
from device.key_ring import RingState
from device.renewal import signing_request
from tests.integration.running import Installation, initialise, running
from tests.integration.test_device_package import Place

CA = """
[[client_ca]]
name = "fleet"
file = "{file}"
use = "device"
field = "cn"
attribute = "serial"
key = "device-ca"
certificate_days = 30
renewal_days = {renewal}
"""


def made_ca(service: Installation, directory: Path) -> Path:
    """A key of a CA, and its certificate."""
    if "device-ca" not in service.run("keys", "list", "--json").stdout:
        created = service.run("keys", "create", "device-ca", "--purpose", "device-ca", "--algorithm", "ecdsa-p256")
        assert created.returncode == 0, created.stderr
    certificate = service.run("keys", "certificate", "device-ca", "--version", "1")
    assert certificate.returncode == 0, certificate.stderr
    file = directory / "fleet-ca.pem"
    file.write_text(certificate.stdout)
    return file


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = initialise(tmp_path_factory.mktemp("renewing"))
    with running(installation, SERVER_WORKERS="1", READINESS_INTERVAL="3600"):
        file = made_ca(installation, installation.directory)
    installation.config.write_text(installation.config.read_text() + CA.format(file=file, renewal=30))
    with running(installation, SERVER_WORKERS="1", READINESS_INTERVAL="3600"):
        yield installation


@pytest.mark.slow
def test_a_device_of_the_ca_needs_no_hand_renews_and_changes_its_key(service: Installation, tmp_path: Path) -> None:
    place = Place(service, tmp_path, "mutual", client_certificate=str(tmp_path / "device.crt"))
    client = place.open().client
    client.bootstrap()
    with pytest.raises(DeviceError) as refused:
        client.token()
    assert refused.value.code == "client-certificate-refused"
    (tmp_path / "device.csr").write_bytes(signing_request(client.key()))
    identity = json.dumps({"serial": "mutual"})
    issued = service.run("devices", "certificates", "issue", "fleet", tmp_path / "device.csr", "--identity", identity)
    assert issued.returncode == 0, issued.stderr
    (tmp_path / "device.crt").write_text(issued.stdout)
    assert client.token()
    assert place.known()["status"] == "accepted"
    assert client.renew_certificate().not_after is not None
    before = client.key().fingerprint
    assert (tmp_path / "state" / issued_name(before)).exists()
    rotated = place.open().client.rotate_key()
    assert rotated.fingerprint != before
    client = place.open().client
    assert client.authenticate()
    assert client.status().ring is RingState.STEADY
    assert [each["status"] for each in place.known()["auth_sets"]] == ["rejected", "accepted"]
