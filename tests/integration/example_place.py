"""Where the examples of the routes run: a service, its administrator, users and devices, and the files beside them."""

from __future__ import annotations

import base64
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.integration.running import Installation
from tests.support.ci_issuer import CiIssuer
from tests.support.device_side import SomeDevice, new_key
from tests.support.user_site import EMAIL, PASSWORD, USERADM

AUTHENTICATION = "/api/devices/v1/authentication"
DEVAUTH = "/api/management/v2/devauth"
DEVICES = f"{DEVAUTH}/devices"
# Ids as they stand on the page.
DEVICE, AUTH_SET = "4f1d0a2e", "9b7c33d1"


@dataclass(slots=True, kw_only=True)
class Place:
    """A running service. ``real``: what stands for what the page has; ``environment``: of the example's shell."""

    installation: Installation
    issuer: CiIssuer
    process: subprocess.Popen[bytes]
    real: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    devices: int = 0
    seed: str = ""

    @property
    def folder(self) -> Path:
        """Where the examples run."""
        return self.installation.directory

    def ask(self, method: str, path: str, credential: str | None = None, **content: Any) -> httpx.Response:
        """A request of the administrator, or of another."""
        headers = {"Authorization": f"Bearer {credential or self.installation.api_token}", **content.pop("headers", {})}
        with self.installation.http(headers=headers) as http:
            answer = http.request(method, path, **content)
        assert answer.status_code < 300, answer.text
        return answer

    def write(self, name: str, content: bytes | str) -> None:
        """A file beside the example."""
        (self.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    def shows(self, credential: str | None = None) -> None:
        """The file ``authorization`` that examples show; without a credential the administrator's."""
        self.write("authorization", f"Authorization: Bearer {credential or self.installation.api_token}\n")

    def login(self) -> str:
        """A token of the user."""
        with self.installation.http(headers={}, auth=(EMAIL, PASSWORD)) as http:
            answer = http.post(f"{USERADM}/auth/login")
        assert answer.status_code == 200, answer.text
        return answer.text

    def device(self, status: str = "accepted") -> tuple[SomeDevice, str]:
        """A new device about whose key that was decided; gives its token where it is accepted."""
        self.devices += 1
        device = SomeDevice(serial=f"SN-{self.devices}", key=new_key())
        self._authenticate(device)
        (found,) = (
            each
            for each in self.ask("GET", f"{DEVICES}?per_page=500").json()
            if each["identity_data"].get("serial") == device.serial
        )
        self.real |= {DEVICE: found["id"], AUTH_SET: found["auth_sets"][0]["id"]}
        if status == "pending":
            return device, ""
        path = f"{DEVICES}/{self.real[DEVICE]}/auth/{self.real[AUTH_SET]}/status"
        self.ask("PUT", path, json={"status": status})
        return device, self._authenticate(device).text

    def _authenticate(self, device: SomeDevice) -> httpx.Response:
        body = device.body()
        headers = {"Content-Type": "application/json", "X-MEN-Signature": device.sign(body)}
        with self.installation.http(headers=headers) as http:
            return http.post(f"{AUTHENTICATION}/auth_requests", content=body)

    def code(self, *, ahead: int = 0) -> str:
        """What the user's app shows now, or some steps later."""
        secret = base64.b32decode(self.seed + "=" * (-len(self.seed) % 8))
        return TOTP(secret, 6, SHA1(), 30, enforce_key_length=False).generate(time.time() + 30 * ahead).decode()
