"""A whole installation: the service, nginx with the configuration that the command writes, a server behind it."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from signer.domain.access.presets import init_text
from tests.integration.running import Installation, command, free_port, initialise, running
from tests.support.gateway_site import Answering, answering_server, nginx
from tests.support.mender_client import MenderClient

EMAIL, PASSWORD = "ops@example.com", "correct horse battery"
INVENTORY = "/api/devices/v1/inventory/device/attributes"
NEXT = "/api/devices/v2/deployments/device/deployments/next"
LOGIN = "/api/management/v1/useradm/auth/login"
ARTIFACTS = "/api/management/v1/deployments/artifacts"
DEVICES = "/api/management/v2/devauth/devices"


def _status(path: str) -> int:
    return 204 if "deployments/next" in path else 200


@dataclass
class Fleet:
    """The address of the gateway, what it asked the server behind, and a person with a token."""

    installation: Installation
    port: int
    backend: Answering
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def certificate(self) -> Path:
        return self.installation.directory / "cert.crt"

    def http(self, **options: Any) -> httpx.Client:
        """Over the gateway, without credentials."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        return httpx.Client(base_url=self.url, verify=context, timeout=30.0, **options)

    def ask(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        """One request over the gateway, with a token."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        with self.http(headers=headers) as http:
            return http.request(method, path, **options)

    def login(self) -> str:
        """The token of the person, asked for once."""
        if EMAIL not in self.tokens:
            with self.http(auth=(EMAIL, PASSWORD)) as http:
                answer = http.post(LOGIN)
            assert answer.status_code == 200, answer.text
            self.tokens[EMAIL] = answer.text
        return self.tokens[EMAIL]

    def manage(self, method: str, path: str, **options: Any) -> httpx.Response:
        """As the person."""
        return self.ask(method, path, self.login(), **options)

    def device(self, serial: str) -> dict[str, Any]:
        """The one device with this serial number."""
        found = [each for each in self.manage("GET", f"{DEVICES}?per_page=500").json() if _serial(each) == serial]
        (device,) = found
        return dict(device)

    def decide(self, serial: str, status: str) -> None:
        """Accept or reject the device's one key."""
        device = self.device(serial)
        (auth_set,) = device["auth_sets"]
        path = f"{DEVICES}/{device['id']}/auth/{auth_set['id']}/status"
        answer = self.manage("PUT", path, json={"status": status})
        assert answer.status_code == 204, answer.text

    def client(self, directory: Path, serial: str, **options: Any) -> MenderClient:
        """Debian's client, set to this gateway."""
        return MenderClient(directory=directory, url=self.url, certificate=self.certificate, serial=serial, **options)

    def device_token(self, path: str, after: int = 0) -> str:
        """The token of the last call for ``path`` that came behind the gateway."""
        (*_, last) = (each for each in self.backend.seen[after:] if path in each.target)
        return (last.field("authorization") or "").removeprefix("Bearer ")

    def auth_requests(self) -> int:
        """How many were answered, by the log of the service."""
        return sum("/authentication/auth_requests" in line for line in self.installation.log_lines())


def _serial(device: dict[str, Any]) -> str:
    identity = device["identity_data"]
    return str((json.loads(identity) if isinstance(identity, str) else identity).get("serial"))


def segment_of(token: str, number: int) -> dict[str, Any]:
    """What a token says: segment 0 of how it is signed, segment 1 of whose it is."""
    segment = token.split(".")[number]
    return dict(json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))))


@contextmanager
def fleet(
    directory: Path,
    backend: Answering | None = None,
    *,
    before: Callable[[Fleet], None] = lambda _: None,
    **settings: str,
) -> Iterator[Fleet]:
    """All of it runs until the end of the block. ``backend``: what the server behind answers.

    ``before``: what is done before anything runs; nobody listens on the gateway's port yet.
    """
    installation = initialise(directory / "i")
    installation.apply(init_text("admin"))
    (directory / "password").write_text(PASSWORD + "\n")
    made = command("users", "create", EMAIL, "--password-file", directory / "password", "--config", installation.config)
    assert made.returncode == 0, made.stderr
    site = Fleet(installation=installation, port=free_port(), backend=backend or Answering(status=_status))
    before(site)
    with running(installation, **settings), answering_server(site.backend) as behind:
        written = command(
            "gateway", "config", "--nginx", "--config", installation.config, "--listen", f"127.0.0.1:{site.port}",
            "--upstream", f"http://127.0.0.1:{behind}",
        )  # fmt: skip
        assert written.returncode == 0, written.stderr
        (directory / "nginx").mkdir()
        with nginx(directory / "nginx", written.stdout, site.port):
            yield site
