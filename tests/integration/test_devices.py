"""Debian's Mender client against a running service: pending, accepted, preauthorised, and what it is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.integration.running import Installation, initialise, running
from tests.support.device_side import SomeDevice, new_key, pem_of

SECONDS = 60.0
MISSING = shutil.which("mender") is None or shutil.which("unshare") is None or os.geteuid() != 0
pytestmark = pytest.mark.skipif(MISSING, reason="needs mender-client, unshare and root")


class Client:
    """``mender`` with an identity and a key of its own; the machine's folders stay as they are."""

    def __init__(self, service: Installation, directory: Path, device: SomeDevice) -> None:
        self.device, self._directory = device, directory
        for name in ("etc", "identity", "inventory", "data"):
            (directory / name).mkdir(parents=True)
        (directory / "etc/artifact_info").write_text("artifact_name=release-1\n")
        (directory / "device_type").write_text("device_type=raspberrypi4\n")
        script = directory / "identity/mender-device-identity"
        script.write_text(f"#!/bin/sh\necho mac=02:00:00:00:00:01\necho serial={device.serial}\n")
        script.chmod(0o755)
        key = device.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (directory / "device.pem").write_bytes(key)
        settings = {
            "ServerURL": service.url,
            "ServerCertificate": str(service.directory / "cert.crt"),
            "DeviceTypeFile": str(directory / "device_type"),
            "Security": {"AuthPrivateKey": str(directory / "device.pem")},
            "DBus": {"Enabled": False},
        }
        (directory / "mender.conf").write_text(json.dumps(settings))

    def bootstrap(self) -> subprocess.CompletedProcess[str]:
        """Ask for a token once."""
        place = self._directory
        script = f"""mount --make-rprivate /
            mkdir -p {place}/mender && mount -t tmpfs none /etc/mender 2>/dev/null
            mount --bind {place}/etc /etc/mender
            mount --bind {place}/identity /usr/share/mender/identity
            exec mender --config {place}/mender.conf --fallback-config /nonexistent --data {place}/data \\
                --no-syslog --log-level info bootstrap"""
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=SECONDS, check=False
        )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = initialise(tmp_path_factory.mktemp("devices"))
    for folder in ("/etc/mender", "/usr/share/mender/identity"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    with running(installation, SERVER_WORKERS="1"):
        listed = installation.run("keys", "list", "--json")
        if "device-token" not in listed.stdout:
            made = installation.run("keys", "create", "device-token", "--purpose", "device-token")
            assert made.returncode == 0, made.stderr
        yield installation


def the_device(service: Installation, serial: str) -> dict[str, Any]:
    listed = json.loads(service.run("devices", "list", "--json").stdout)
    (found,) = (each for each in listed if each["identity_data"]["serial"] == serial)
    return dict(found)


def test_a_device_is_pending_then_accepted_then_rejected(service: Installation, tmp_path: Path) -> None:
    client = Client(service, tmp_path / "device", SomeDevice(serial="one"))
    pending = client.bootstrap()
    assert pending.returncode == 1, pending.stderr
    assert "dev auth: unauthorized" in pending.stderr
    device = the_device(service, "one")
    assert device["auth_sets"][0]["pubkey"] == pem_of(client.device.key)
    assert service.run("devices", "accept", device["id"]).returncode == 0
    accepted = client.bootstrap()
    assert accepted.returncode == 0, accepted.stderr
    assert "successfully received new authorization data" in accepted.stderr
    assert service.run("devices", "reject", device["id"]).returncode == 0
    assert client.bootstrap().returncode == 1
    lines = [line for line in service.log_lines() if "auth_requests" in line]
    assert ["reason=pending" in lines[0], "reason=rejected" in lines[-1]] == [True, True]
    assert not any(pem_of(client.device.key).split("\n")[1][:20] in line for line in lines)


@pytest.mark.parametrize("kind", ["rsa-2048", "ed25519", "p-384"])
def test_a_preauthorised_device_is_accepted_at_once(service: Installation, tmp_path: Path, kind: str) -> None:
    client = Client(service, tmp_path / "device", SomeDevice(serial=kind, key=new_key(kind)))
    (tmp_path / "public.pem").write_text(pem_of(client.device.key))
    identity = json.dumps({"serial": kind, "mac": "02:00:00:00:00:01"})
    made = service.run("devices", "preauthorize", "--identity", identity, "--public-key", tmp_path / "public.pem")
    assert made.returncode == 0, made.stderr
    done = client.bootstrap()
    assert done.returncode == 0, done.stderr
    assert the_device(service, kind)["status"] == "accepted"
