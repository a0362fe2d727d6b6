"""Users of a real service: curl and mender-cli as they are, a second factor by commands, a flood of logins."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.integration.running import Installation, command, initialise, running
from tests.support.user_site import EMAIL, PASSWORD, USERADM

LOGIN = f"{USERADM}/auth/login"
SETTINGS = {
    "SERVER_WORKERS": "2",
    "USERS_ARGON2_MEMORY": "19456",
    "USERS_ARGON2_PASSES": "2",
    "USERS_HASHING_WAITING": "4",
    # A flood is not slowed down by limits here.
    "USERS_LOGIN_ATTEMPTS": "1000",
}
FLOOD = 16


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """With a user, and with a key for users' tokens."""
    installation = initialise(tmp_path_factory.mktemp("installation"))
    words = installation.directory / "password"
    words.write_text(f"{PASSWORD}\n")
    made = command("users", "create", EMAIL, "--password-file", words, "--config", installation.config)
    assert made.returncode == 0, made.stderr
    with running(installation, **SETTINGS):
        if installation.run("keys", "show", "user-token").returncode != 0:
            made = installation.run(
                "keys", "create", "user-token", "--algorithm", "ecdsa-p256", "--purpose", "user-token"
            )
            assert made.returncode == 0, made.stderr
        yield installation


def _curl(service: Installation, *arguments: str) -> subprocess.CompletedProcess[str]:
    fixed = ["curl", "--silent", "--show-error", "--fail", "--cacert", str(service.directory / "cert.crt")]
    return subprocess.run([*fixed, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_curl_logs_in_and_asks_with_the_token(service: Installation) -> None:
    token = _curl(service, "--user", f"{EMAIL}:{PASSWORD}", "--request", "POST", service.url + LOGIN)
    assert token.returncode == 0, token.stderr
    me = _curl(service, "--header", f"Authorization: Bearer {token.stdout}", f"{service.url}{USERADM}/users/me")
    assert f'"{EMAIL}"' in me.stdout
    wrong = _curl(service, "--user", f"{EMAIL}:wrong", "--request", "POST", service.url + LOGIN)
    assert (wrong.returncode, wrong.stdout) == (22, "")


def _mender_cli(service: Installation, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "SSL_CERT_FILE": str(service.directory / "cert.crt"),
    }
    asked = ["mender-cli", "--server", service.url, "login", "--username", EMAIL, *arguments]
    return subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False, env=environment)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mender-cli") is None, reason="needs Debian's mender-cli")
def test_mender_cli_logs_in_and_a_second_factor_is_enrolled_with_its_token(
    service: Installation, tmp_path: Path
) -> None:
    wrong = _mender_cli(service, tmp_path, "--password", "wrong")
    assert (wrong.returncode, "status 401" in wrong.stderr + wrong.stdout) == (1, True)
    right = _mender_cli(service, tmp_path, "--password", PASSWORD)
    assert right.returncode == 0, right.stderr
    environment = {
        **service.client_environment,
        "ARTIFACT_SIGNER_API_TOKEN_FILE": str(next((tmp_path / "cache").rglob("authtoken"))),
    }
    words = service.directory / "password"
    enrolled = command("users", "totp-enrol", "--password-file", words, environment=environment)
    assert enrolled.returncode == 0, enrolled.stderr
    seed, uri = enrolled.stdout.splitlines()
    assert uri.startswith("otpauth://totp/")
    codes = TOTP(base64.b32decode(seed), 6, SHA1(), 30)
    begun = int(time.time())
    first = codes.generate(begun).decode()
    assert command("users", "totp-confirm", first, environment=environment).returncode == 0
    assert _mender_cli(service, tmp_path, "--password", PASSWORD).returncode == 1
    # The code of the next half minute counts already; that of this one is used.
    following = codes.generate(begun + 30).decode()
    assert _mender_cli(service, tmp_path, "--password", PASSWORD, "--2fa-code", first).returncode == 1
    done = _mender_cli(service, tmp_path, "--password", PASSWORD, "--2fa-code", following)
    assert done.returncode == 0, done.stderr
    reset = service.run("users", "totp-reset", EMAIL, "--reason", "a test")
    assert reset.returncode == 0, reset.stderr


def test_other_requests_are_answered_while_logins_flood_the_service(service: Installation) -> None:
    statuses: Counter[int] = Counter()
    over, lock = threading.Event(), threading.Lock()

    def attack(number: int) -> None:
        with service.http(headers={}) as client:
            while not over.is_set():
                reply = client.post(LOGIN, auth=(f"user{number}@example.com", "wrong"))
                with lock:
                    statuses[reply.status_code] += 1

    with ThreadPoolExecutor(FLOOD) as pool:
        attackers = [pool.submit(attack, number) for number in range(FLOOD)]
        try:
            with service.http() as client:
                answers = [client.get(path).status_code for _ in range(10) for path in ("/healthz", "/v1/users")]
                assert not any(each.done() for each in attackers)
        finally:
            over.set()
        for each in attackers:
            each.result()
    assert answers == [200] * 20
    assert {*statuses} <= {401, 503}
    assert statuses[401] > 0
    assert statuses[503] > 0


def test_the_log_has_no_password_and_no_token(service: Installation) -> None:
    with service.http(headers={}) as client:
        token = client.post(LOGIN, auth=(EMAIL, PASSWORD)).text
        client.post(LOGIN, auth=(EMAIL, "a wrong horse"))
    lines = service.log.read_text()
    secrets = (PASSWORD, "a wrong horse", token, base64.b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode())
    assert [secret for secret in secrets if secret in lines] == []
    assert "wrong-password" in lines
