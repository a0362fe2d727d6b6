"""Debian's Mender client, mender-cli and curl, unmodified, behind nginx with the written configuration."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.integration.fleet import (
    ARTIFACTS,
    DEVICES,
    EMAIL,
    INVENTORY,
    LOGIN,
    NEXT,
    PASSWORD,
    Fleet,
    fleet,
    segment_of,
)
from tests.integration.mender_cli import MenderCli
from tests.support.mender_client import MenderClient, require_mender_client
from tests.support.own_token import LABEL, PIN, own_token
from tests.support.rows import slow_but

KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    require_mender_client()
    with fleet(tmp_path_factory.mktemp("fleet"), SERVER_WORKERS="1") as made:
        yield made


def with_key(site: Fleet, directory: Path, serial: str, key: PrivateKeyTypes | None = None) -> MenderClient:
    """A client whose key is in a file."""
    directory.mkdir(exist_ok=True)
    file = directory / "device.pem"
    made = key or ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return site.client(directory / "client", serial, security={"AuthPrivateKey": str(file)})


@pytest.mark.parametrize("kind", slow_but({"P-256"}, KEYS))
def test_a_key_is_pending_then_accepted(site: Fleet, tmp_path: Path, kind: str) -> None:
    client = with_key(site, tmp_path, kind, KEYS[kind]())
    pending = client.bootstrap()
    assert pending.returncode == 1
    assert "authentication request rejected" in pending.stderr
    site.decide(kind, "accepted")
    accepted = client.bootstrap()
    assert accepted.returncode == 0, accepted.stderr
    site.decide(kind, "rejected")
    assert client.bootstrap().returncode == 1


@pytest.mark.slow
def test_a_key_in_a_token_of_the_device(site: Fleet, tmp_path: Path) -> None:
    (tmp_path / "token").mkdir()
    token = own_token(tmp_path / "token")
    token.take(ec.generate_private_key(ec.SECP256R1()), "dev1", "01")
    token.start_engine(init=0)
    uri = f"pkcs11:token={LABEL};object=dev1;type=private;pin-value={PIN}"
    client = site.client(
        tmp_path / "client",
        "in-a-token",
        security={"AuthPrivateKey": uri, "SSLEngine": "pkcs11"},
        environment=token.environment,
    )
    assert client.bootstrap().returncode == 1
    site.decide("in-a-token", "accepted")
    accepted = client.bootstrap()
    assert accepted.returncode == 0, accepted.stderr
    assert not (tmp_path / "client" / "data" / "mender-agent.pem").exists()


def test_a_daemon_through_its_life(site: Fleet, tmp_path: Path) -> None:
    """Pending, accepted while it runs, a token that is taken away, a key that rotates, a restart, rejected."""
    client = with_key(site, tmp_path, "daemon")
    assert client.bootstrap().returncode == 1
    with client.daemon() as daemon:
        site.decide("daemon", "accepted")
        assert site.backend.wait_for(INVENTORY)
        assert site.backend.wait_for(NEXT)

        # A token that is deleted: 401 mid-run, one auth request, and the same call again.
        first, before, asked = site.device_token(INVENTORY), len(site.backend.seen), site.auth_requests()
        assert (
            site.manage("DELETE", f"/api/management/v2/devauth/tokens/{segment_of(first, 1)['jti']}").status_code == 204
        )
        daemon.check_for_updates()
        assert site.backend.wait_for(NEXT, before)
        second = site.device_token(NEXT, before)
        assert second != first
        assert site.auth_requests() == asked + 1

        # The key of the tokens rotates: it notices nothing.
        for step in ("prepare", "rotate"):
            done = site.installation.run("keys", step, "device-token")
            assert done.returncode == 0, done.stderr
        before, asked = len(site.backend.seen), site.auth_requests()
        daemon.check_for_updates()
        daemon.send_inventory()
        assert site.backend.wait_for(NEXT, before)
        assert site.backend.wait_for(INVENTORY, before)
        assert site.auth_requests() - asked <= 1
        assert not [line for line in daemon.errors() if "401" not in line and "unauthorized" not in line]
    assert daemon.process.returncode == 0

    # A restart asks anew, and the new version signs.
    before, asked = len(site.backend.seen), site.auth_requests()
    with client.daemon():
        assert site.backend.wait_for(INVENTORY, before)
        third = site.device_token(INVENTORY, before)
        assert site.auth_requests() == asked + 1
        assert segment_of(third, 0)["kid"] != segment_of(second, 0)["kid"]
        assert {site.ask("PUT", INVENTORY, token).status_code for token in (second, third)} == {200}
        assert site.ask("GET", ARTIFACTS, third).status_code == 401  # a device at the door for users
        assert site.ask("GET", DEVICES, third).status_code == 401
        assert site.ask("PUT", INVENTORY, site.login()).status_code == 401  # and a user at that for devices
        site.decide("daemon", "rejected")
        assert {site.ask("PUT", INVENTORY, token).status_code for token in (first, second, third)} == {401}


@pytest.mark.slow
def test_a_client_that_makes_its_own_key(site: Fleet, tmp_path: Path) -> None:
    client = site.client(tmp_path / "client", "own-key")
    assert client.bootstrap().returncode == 1
    assert (tmp_path / "client" / "data" / "mender-agent.pem").exists()
    site.decide("own-key", "accepted")
    assert client.bootstrap().returncode == 0


def test_mender_cli_logs_in_and_lists_devices(site: Fleet, tmp_path: Path) -> None:
    cli = MenderCli(site, tmp_path)
    wrong = cli("login", "--username", EMAIL, "--password", "wrong")
    assert (wrong.returncode, "status 401" in wrong.stdout + wrong.stderr) == (1, True)
    done = cli("login", "--username", EMAIL.upper(), "--password", PASSWORD)
    assert done.returncode == 0, done.stderr
    assert "login successful" in done.stdout + done.stderr
    listed = cli("devices", "list")
    assert listed.returncode == 0, listed.stderr
    behind = cli("artifacts", "list")
    assert ARTIFACTS in site.backend.paths(), behind.stderr
    assert site.device_token("deployments/artifacts") == cli.token


def test_curl_logs_in_with_nothing_but_a_name_and_a_password(site: Fleet) -> None:
    curl = ["curl", "-sS", "--fail", "--cacert", str(site.certificate)]
    done = subprocess.run(
        [*curl, "-u", f"{EMAIL}:{PASSWORD}", "-X", "POST", f"{site.url}{LOGIN}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.count(".") == 2
    assert done.stdout == done.stdout.strip()
    assert site.ask("GET", ARTIFACTS, done.stdout).status_code == 200
