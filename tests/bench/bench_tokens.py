"""Tokens of users and devices: verifying them for gateways, issuing them to devices, and logging in.

First one verification, stage by stage, beside PyJWT alone: processor time of one thread, the best of several rounds,
with states in an SQLite file. Then a real service with one worker, over the gateway's socket: processor time of its
processes for each request of a client that sends one after another. Run by ``make bench-tokens``.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signer.domain.access.presets import init_text
from tests.bench.bench_http import Processor, processor
from tests.bench.processor_time import microseconds
from tests.bench.token_scene import ASKED, CALLS, DEVICE_DOOR, token_scene
from tests.integration.running import Installation, command, initialise, running
from tests.support.device_side import SomeDevice, new_key

VERIFICATIONS, LOGINS, DEVICES = 3000, 20, 10
# What a key gets at once, one less for the one by which the device is known.
REQUESTS_OF_DEVICE = 8
MICROSECONDS = 1_000_000
EMAIL, PASSWORD = "bench@example.com", "correct horse battery"
AUTH_REQUESTS, LOGIN = "/api/devices/v1/authentication/auth_requests", "/api/management/v1/useradm/auth/login"
LISTED = "/api/management/v2/devauth/devices"


def main() -> None:
    """Write the tables."""
    print("| one verification, µs | PyJWT alone | claims too | state | all that is decided | whole request | ours |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for algorithm in ("ES256", "RS256", "EdDSA"):
        with tempfile.TemporaryDirectory() as folder, token_scene(Path(folder), algorithm) as scene:
            calls = (scene.alone, scene.verified, scene.held, scene.admitted, scene.answered)
            costs = [microseconds(call) / CALLS for call in calls]
            cells = "".join(f" {cost:.0f} |" for cost in (*costs, costs[-1] - costs[0]))
            print(f"| {algorithm} |{cells}", flush=True)
    print("\n| a whole service | a second | worker, µs | token, µs | recorder, µs |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder, _service(Path(folder)) as service:
        for line in service.lines():
            print(line, flush=True)


@dataclass(frozen=True, slots=True)
class Service:
    """A real service and one connection to its gateway's socket."""

    installation: Installation
    process: subprocess.Popen[bytes]
    connection: http.client.HTTPConnection

    def lines(self) -> Iterator[str]:
        """The rows of the table."""
        login = {"Authorization": "Basic " + base64.b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode()}
        token = self.ask("POST", LOGIN, login)[1].decode()
        for kind in ("rsa-2048", "rsa-3072", "p-256", "ed25519"):
            devices = [SomeDevice(serial=f"{kind}-{number}", key=new_key(kind)) for number in range(DEVICES)]
            bodies = [(device.body(), device) for device in devices]
            sent = [
                (body, {"Content-Type": "application/json", "X-MEN-Signature": each.sign(body)})
                for body, each in bodies
            ]
            self._accept(sent, {"Authorization": f"Bearer {token}"})
            yield self._measured(
                f"auth request, {kind}",
                [("POST", AUTH_REQUESTS, headers, body) for _ in range(REQUESTS_OF_DEVICE) for body, headers in sent],
            )
        device = self.ask("POST", AUTH_REQUESTS, sent[0][1], sent[0][0])[1].decode()
        asked = {"X-Forwarded-Method": ASKED.method, "X-Forwarded-Uri": ASKED.uri, "Authorization": f"Bearer {device}"}
        yield self._measured("verification, ES256", [("GET", DEVICE_DOOR, asked, b"")] * VERIFICATIONS)
        yield self._measured("login", [("POST", LOGIN, login, b"")] * LOGINS)

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, bytes]:
        """One request."""
        self.connection.request(method, path, body or None, dict(headers))
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def _accept(self, sent: list[tuple[bytes, dict[str, str]]], person: Mapping[str, str]) -> None:
        for body, headers in sent:
            self.ask("POST", AUTH_REQUESTS, headers, body)
        pending: list[dict[str, Any]] = json.loads(self.ask("GET", f"{LISTED}?status=pending&per_page=500", person)[1])
        for device in pending:
            path = f"{LISTED}/{device['id']}/auth/{device['auth_sets'][0]['id']}/status"
            decided = self.ask("PUT", path, {**person, "Content-Type": "application/json"}, b'{"status":"accepted"}')
            assert decided[0] == 204, decided

    def _measured(self, label: str, requests: list[tuple[str, str, dict[str, str], bytes]]) -> str:
        before, begun = processor(self.process, self.installation.directory), time.perf_counter()
        statuses = {self.ask(*request)[0] for request in requests}
        seconds = time.perf_counter() - begun
        after = processor(self.process, self.installation.directory)
        assert statuses == {200}, (label, statuses)
        return f"| {label} | {len(requests) / seconds:.0f} |{_costs(before, after, len(requests))}"


def _costs(before: Processor, after: Processor, count: int) -> str:
    spent = (after.workers - before.workers, after.tokens - before.tokens, after.recorder - before.recorder)
    return "".join(f" {seconds / count * MICROSECONDS:.0f} |" for seconds in spent)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


@contextmanager
def _service(folder: Path) -> Iterator[Service]:
    installation = initialise(folder / "i")
    installation.apply(init_text("admin"))
    (folder / "password").write_text(PASSWORD + "\n")
    made = command("users", "create", EMAIL, "--password-file", folder / "password", "--config", installation.config)
    assert made.returncode == 0, made.stderr
    with running(installation, SERVER_WORKERS="1", READINESS_INTERVAL="3600") as process:
        yield Service(installation, process, _Connection(installation.directory / "gateway.sock"))


if __name__ == "__main__":
    main()
