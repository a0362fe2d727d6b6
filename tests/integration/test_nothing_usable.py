"""What was issued, and what proves something, is found nowhere afterwards: not in the log, its copies, or log lines."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.running import Installation, command, initialise, running
from tests.support.device_side import SomeDevice
from tests.support.user_site import EMAIL, PASSWORD, USERADM

AUTH_REQUESTS = "/api/devices/v1/authentication/auth_requests"
# Where its owner put the password, for the command that made the user.
PASSWORD_FILE = "password"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = initialise(tmp_path_factory.mktemp("unusable"))
    words = installation.directory / PASSWORD_FILE
    words.write_text(f"{PASSWORD}\n")
    made = command("users", "create", EMAIL, "--password-file", words, "--config", installation.config)
    assert made.returncode == 0, made.stderr
    with running(installation, SERVER_WORKERS="1"):
        yield installation


def _device_secrets(service: Installation) -> dict[str, bytes]:
    device = SomeDevice(serial="unusable")
    body = device.body()
    signature = device.sign(body)
    headers = {"Content-Type": "application/json", "X-MEN-Signature": signature}
    with service.http(headers={}) as http:
        assert http.post(AUTH_REQUESTS, content=body, headers=headers).status_code == 401
        (waiting,) = json.loads(service.run("devices", "list", "--json").stdout)
        assert service.run("devices", "accept", waiting["id"]).returncode == 0
        token = http.post(AUTH_REQUESTS, content=body, headers=headers)
    assert token.status_code == 200
    return {
        "the device's request": body,
        "the signature of its request": base64.b64decode(signature),
        **_parts("the device's token", token.text),
    }


def _user_secrets(service: Installation) -> dict[str, bytes]:
    basic = base64.b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode()
    with service.http(headers={"Authorization": f"Basic {basic}"}) as http:
        login = http.post(f"{USERADM}/auth/login")
    assert login.status_code == 200
    bearer = {"Authorization": f"Bearer {login.text}"}
    with service.http(headers=bearer) as http:
        personal = http.post(f"{USERADM}/settings/tokens", json={"name": "ci", "expires_in": 3600})
    assert personal.status_code == 200
    return {
        "the password": PASSWORD.encode(),
        "the password as a header": basic.encode(),
        **_parts("the user's token", login.text),
        **_parts("the personal token", personal.text),
    }


def _parts(name: str, token: str) -> dict[str, bytes]:
    _, claims, signature = token.split(".")
    padded = signature + "=" * (-len(signature) % 4)
    return {f"{name}: claims": claims.encode(), f"{name}: signature": base64.urlsafe_b64decode(padded)}


def _spellings(secret: bytes) -> set[bytes]:
    """As it is, and in every form in which somebody may have written it down."""
    plain = {secret, secret.hex().encode(), base64.b64encode(secret), base64.urlsafe_b64encode(secret)}
    return plain | {each.rstrip(b"=") for each in plain}


def _copies(service: Installation, folder: Path) -> list[Path]:
    exported = service.run("log", "export", folder / "export", "--log-key", service.directory / "log.vkey")
    assert exported.returncode == 0, exported.stderr
    kept = command("backup", folder / "backup", "--config", service.config)
    assert kept.returncode == 0, kept.stderr
    files = [path for place in (folder, service.directory) for path in place.rglob("*") if path.is_file()]
    return [*(path for path in files if path.name != PASSWORD_FILE), service.log]


@pytest.mark.slow
def test_nothing_that_was_issued_or_received_is_found_again(service: Installation, tmp_path: Path) -> None:
    secrets = _device_secrets(service) | _user_secrets(service)
    contents = {path: path.read_bytes() for path in _copies(service, tmp_path)}
    # What is looked through holds what it should: the leaves of these tokens, and the lines of these requests.
    assert any(b"token-issued" in content for content in contents.values())
    assert b"auth_requests" in contents[service.log]
    found = [
        (name, path.name)
        for name, secret in secrets.items()
        for path, content in contents.items()
        if any(spelling in content for spelling in _spellings(secret))
    ]
    assert found == []
