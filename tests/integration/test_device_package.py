"""The package ``device`` against a running service: first contact, renewal, a change of the key, what ends a token."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from device.asking import Pace, World
from device.backoff import Backoff
from device.bootstrap import Device, open_device
from device.client import DeviceClient
from device.errors import DeviceError, NotAccepted, ServerNotTrusted
from device.key_ring import KEY, RingState
from device.requests import Freshness, auth_request
from device.settings import settings_of
from device.store import Directory
from tests.integration.running import Installation, Pair
from tests.support.rows import slow_but

KEY_TYPES = ("p-256", "rsa-3072", "ed25519")


@pytest.fixture
def service(pair: Pair) -> Installation:
    return pair[0]


class Place:
    """One device in a folder."""

    def __init__(self, service: Installation, directory: Path, serial: str, **more: Any) -> None:
        self.service, self.directory, self.serial = service, directory, serial
        directory.mkdir(parents=True, exist_ok=True)
        self.bundle = directory / "server.crt"
        shutil.copy(service.directory / "cert.crt", self.bundle)
        self.members = {
            "server": service.url,
            "server_certificates": str(self.bundle),
            "state_directory": str(directory / "state"),
            "identity": {"serial": serial},
            **more,
        }

    def open(self) -> Device:
        """As after a restart."""
        return open_device(settings_of(self.members))

    def known(self) -> dict[str, Any]:
        listed = json.loads(self.service.run("devices", "list", "--json").stdout)
        (found,) = (each for each in listed if each["identity_data"]["serial"] == self.serial)
        return dict(found)

    def accept(self) -> None:
        with pytest.raises(NotAccepted):
            self.open().client.authenticate()
        assert self.service.run("devices", "accept", self.known()["id"]).returncode == 0


@pytest.mark.parametrize("kind", slow_but({"p-256"}, KEY_TYPES))
def test_a_device_is_pending_then_accepted_and_changes_its_key(
    service: Installation, tmp_path: Path, kind: str
) -> None:
    place = Place(service, tmp_path, f"whole-{kind}", key_type=kind)
    place.accept()
    token = place.open().client.token()
    assert token.expires_at is not None
    assert place.open().client.token() == token
    before = place.open().client.key().fingerprint
    rotated = place.open().client.rotate_key()
    assert rotated.fingerprint == place.open().client.key().fingerprint != before
    assert [each["status"] for each in place.known()["auth_sets"]] == ["rejected", "accepted"]
    assert place.open().client.status().ring is RingState.STEADY


def test_a_request_that_was_recorded_is_worth_nothing(service: Installation, tmp_path: Path) -> None:
    place = Place(service, tmp_path, "replayed")
    place.accept()
    device = place.open()
    key, now = device.client.key(), int(time.time())
    transport = device.client._asking._transport  # the way of the device itself
    asked = auth_request(key, {"serial": "replayed"}, Freshness.at(now))
    older = auth_request(key, {"serial": "replayed"}, Freshness.at(now - 20))
    far = auth_request(key, {"serial": "replayed"}, Freshness.at(now + 400))
    statuses = [
        transport.exchange(request, key=key, until=time.monotonic() + 20).status
        for request in (asked, asked, older, far)
    ]
    assert statuses == [200, 401, 401, 401]


@pytest.mark.slow
def test_a_device_whose_clock_is_off_is_told_by_how_much(service: Installation, tmp_path: Path) -> None:
    place = Place(service, tmp_path, "clock")
    place.accept()
    settings, device = settings_of(place.members), place.open()
    device.servers.current()  # read now: two that look at one directory wait for each other
    ahead = DeviceClient(
        store=Directory(settings.state_directory),
        transport=device.client._asking._transport,
        identity=settings.identity,
        pace=Pace(backoff=Backoff(first=0.1)),
        world=World(now=lambda: time.time() + 1000),
    )
    with pytest.raises(NotAccepted) as refused:
        ahead.authenticate()
    assert refused.value.clock_ahead is not None
    assert 990 <= refused.value.clock_ahead <= 1010


@pytest.mark.slow
def test_a_bundle_that_is_cut_in_half_changes_nothing_and_another_one_is_seen_at_once(
    service: Installation, tmp_path: Path
) -> None:
    place = Place(service, tmp_path, "bundle")
    place.accept()
    device = place.open()
    device.client.authenticate()
    good = place.bundle.read_bytes()
    place.bundle.write_bytes(good[: len(good) // 2])
    assert device.client.authenticate()
    assert place.open().client.authenticate()
    other = tmp_path / "other.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
         "-keyout", tmp_path / "x.key", "-out", other], check=True, capture_output=True,
    )  # fmt: skip
    place.bundle.write_bytes(other.read_bytes())
    with pytest.raises(ServerNotTrusted):
        device.client.authenticate()
    place.bundle.write_bytes(other.read_bytes() + good)
    assert device.client.authenticate()


def test_the_command_does_all_of_it(service: Installation, tmp_path: Path) -> None:
    place = Place(service, tmp_path, "command")
    config = tmp_path / "device.toml"
    identity = place.members.pop("identity")
    lines = [f'{name} = "{value}"' for name, value in place.members.items()]
    config.write_text("\n".join(lines) + f'\n[identity]\nserial = "{identity["serial"]}"\n')

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "device", "--config", str(config), *words],
            capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    assert run("bootstrap").stdout.startswith("-----BEGIN PUBLIC KEY-----")
    refused = run("authenticate")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "[not-accepted]\nhint: somebody has to accept the device" in refused.stderr
    assert service.run("devices", "accept", place.known()["id"]).returncode == 0
    token = run("token").stdout.strip()
    assert token.count(".") == 2
    assert json.loads(run("rotate-key", "--json").stdout)["resumed"] is False
    status = json.loads(run("status", "--json").stdout)
    assert (status["key"]["state"], status["token"]["present"]) == ("steady", True)
    assert token not in json.dumps(status)
    assert {path.name for path in (tmp_path / "state").iterdir()} == {
        KEY, "lock", "token", "asked-at", "server-certificates.pem",
    }  # fmt: skip


def test_no_refusal_of_the_service_is_anything_but_an_error_of_the_package(
    service: Installation, tmp_path: Path
) -> None:
    place = Place(service, tmp_path, "decommissioned")
    place.accept()
    device = place.open()
    device.client.token()
    assert service.run("devices", "decommission", place.known()["id"]).returncode == 0
    with pytest.raises(DeviceError) as refused:
        device.client.rotate_key()
    assert refused.value.code == "not-accepted"
    assert device.client.status().ring is RingState.ANNOUNCED
