"""Debian's Mender client against a running service: pending, accepted, preauthorised, and what it is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.integration.running import Installation, Pair
from tests.support.device_side import SomeDevice, new_key, pem_of
from tests.support.rows import slow_but

SECONDS = 60.0
MISSING = shutil.which("mender") is None or shutil.which("unshare") is None or os.geteuid() != 0
with_mender = pytest.mark.skipif(MISSING, reason="needs mender-client, unshare and root")
AUTHENTICATION = "/api/devices/v1/authentication"


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
            mount --bind {place}/etc /etc/mender
            mount --bind {place}/identity /usr/share/mender/identity
            exec mender --config {place}/mender.conf --fallback-config /nonexistent --data {place}/data \\
                --no-syslog --log-level info bootstrap"""
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=SECONDS, check=False
        )


@pytest.fixture
def service(pair: Pair) -> Installation:
    if not MISSING:
        for folder in ("/etc/mender", "/usr/share/mender/identity"):
            Path(folder).mkdir(parents=True, exist_ok=True)
    return pair[0]


def the_device(service: Installation, serial: str) -> dict[str, Any]:
    listed = json.loads(service.run("devices", "list", "--json").stdout)
    (found,) = (each for each in listed if each["identity_data"]["serial"] == serial)
    return dict(found)


@with_mender
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


@with_mender
@pytest.mark.parametrize("kind", slow_but({"ed25519"}, ("rsa-2048", "ed25519", "p-384")))
def test_a_preauthorised_device_is_accepted_at_once(service: Installation, tmp_path: Path, kind: str) -> None:
    client = Client(service, tmp_path / "device", SomeDevice(serial=kind, key=new_key(kind)))
    (tmp_path / "public.pem").write_text(pem_of(client.device.key))
    identity = json.dumps({"serial": kind, "mac": "02:00:00:00:00:01"})
    made = service.run("devices", "preauthorize", "--identity", identity, "--public-key", tmp_path / "public.pem")
    assert made.returncode == 0, made.stderr
    done = client.bootstrap()
    assert done.returncode == 0, done.stderr
    assert the_device(service, kind)["status"] == "accepted"


def asked(service: Installation, device: SomeDevice) -> httpx.Response:
    """A request as stock clients send it, the same bytes each time."""
    body = device.body()
    headers = {"Content-Type": "application/json", "X-MEN-Signature": device.sign(body)}
    with service.http(headers={}) as http:
        return http.post(f"{AUTHENTICATION}/auth_requests", content=body, headers=headers)


def accepted(service: Installation, serial: str) -> SomeDevice:
    device = SomeDevice(serial=serial)
    assert asked(service, device).status_code == 401
    assert service.run("devices", "accept", the_device(service, serial)["id"]).returncode == 0
    return device


@pytest.mark.slow
def test_a_device_changes_its_key_with_the_token_that_it_got(service: Installation) -> None:
    device, following = accepted(service, "changing"), SomeDevice(serial="changing")
    token = asked(service, device).text

    def change(bearer: str, nonce: str) -> httpx.Response:
        body = device.change(following.key, ts=int(time.time()), nonce=nonce)
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {bearer}",
            "X-MEN-Signature": device.sign(body),
            "X-MEN-Next-Signature": following.sign(body),
        }
        with service.http(headers={}) as http:
            return http.put(f"{AUTHENTICATION}/key", content=body, headers=headers)

    other = asked(service, accepted(service, "another")).text
    assert [change(bearer, "x" * 22).status_code for bearer in ("a.b.c", other, token[:-8] + "AAAAAAAA")] == [401] * 3
    done = change(token, "y" * 22)
    assert (done.status_code, done.json()["status"]) == (200, "preauthorized"), done.text
    assert asked(service, following).status_code == 200
    assert asked(service, device).status_code == 401
    assert change(token, "z" * 22).status_code == 401
    told = json.loads(service.run("events", "--json").stdout)
    assert "device-key-changed" in str(told)


def test_a_request_in_a_loop_gets_so_many_tokens_and_no_two_are_alike(service: Installation) -> None:
    device = accepted(service, "loop")
    answers = [asked(service, device) for _ in range(14)]
    tokens = [answer.text for answer in answers if answer.status_code == 200]
    assert 10 <= len(tokens) <= 12
    assert len(set(tokens)) == len(tokens)
    assert {answer.status_code for answer in answers} == {200, 429}
    assert int(next(answer for answer in answers if answer.status_code == 429).headers["Retry-After"]) > 0
    log = service.log.read_text()
    assert not any(token in log for token in tokens)
