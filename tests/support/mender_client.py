"""Debian's Mender client, unmodified, in a mount namespace of its own: the machine stays as it is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

# Its paths are compiled in; they are covered by directories of the test.
FIXED = {
    "etc": Path("/etc/mender"),
    "identity": Path("/usr/share/mender/identity"),
    "inventory": Path("/usr/share/mender/inventory"),
}
SECONDS = 60.0
INTERVAL = 5
# Said of everything that runs without a bus.
NO_BUS = "DBus not enabled"


def require_mender_client() -> None:
    """Skip the test where the client cannot run."""
    if shutil.which("mender") is None:
        pytest.skip("mender is not installed (Debian: mender-client)")
    if os.getuid() != 0:
        pytest.skip("a mount namespace needs root")
    for place in FIXED.values():
        place.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MenderClient:
    """A device in ``directory``. ``security``: where its key is, as ``mender.conf`` says it; {}: it makes one.

    ``https``: its certificate and the key of that, ``HttpsClient``. ``verify_key``: the public key that it installs
    artifacts by, PEM; None: it installs any. ``poll_seconds``: between two questions for an update.
    """

    directory: Path
    url: str
    certificate: Path
    security: Mapping[str, str] = field(default_factory=dict)
    https: Mapping[str, str] = field(default_factory=dict)
    verify_key: Path | None = None
    poll_seconds: int = INTERVAL
    serial: str = "SN-0042"
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*FIXED, "data"):
            (self.directory / name).mkdir(parents=True)
        (self.directory / "etc" / "artifact_info").write_text("artifact_name=release-1\n")
        (self.directory / "device_type").write_text("device_type=raspberrypi4\n")
        script = self.directory / "identity" / "mender-device-identity"
        script.write_text(f"#!/bin/sh\necho mac=02:00:00:00:00:01\necho serial={self.serial}\n")
        script.chmod(0o755)
        settings: dict[str, Any] = {
            "ServerURL": self.url,
            "ServerCertificate": str(self.certificate),
            "DeviceTypeFile": str(self.directory / "device_type"),
            "DBus": {"Enabled": False},
            "UpdatePollIntervalSeconds": self.poll_seconds,
            "InventoryPollIntervalSeconds": INTERVAL,
            "RetryPollIntervalSeconds": INTERVAL,
        }
        if self.security:
            settings["Security"] = dict(self.security)
        if self.verify_key is not None:
            settings["ArtifactVerifyKey"] = str(self.verify_key)
        if self.https:
            settings["HttpsClient"] = dict(self.https)
        (self.directory / "mender.conf").write_text(json.dumps(settings))

    def bootstrap(self) -> subprocess.CompletedProcess[str]:
        """Ask for a token once: exit code 0 with one, 1 without."""
        return subprocess.run(
            self._command("bootstrap"),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env={**os.environ, **self.environment},
        )

    @contextmanager
    def daemon(self) -> Iterator[MenderDaemon]:
        """It runs until the end of the block."""
        with (self.directory / "daemon.log").open("a") as log:
            daemon = MenderDaemon(self._start(log), self.directory / "daemon.log")
        try:
            yield daemon
        finally:
            daemon.process.terminate()
            daemon.process.wait(SECONDS)

    def _start(self, log: IO[str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.environment}
        return subprocess.Popen(self._command("daemon"), stdout=log, stderr=log, env=environment)

    def _command(self, what: str) -> list[str]:
        # One pid from beginning to end, so that signals reach the client itself. Where a mount fails it does not start:
        # it would install onto the machine.
        covered = "".join(f"mount --bind {self.directory / name} {place} && " for name, place in FIXED.items())
        options = f"--config {self.directory}/mender.conf --fallback-config /nonexistent --data {self.directory}/data"
        shell = f"mount --make-rprivate / && {covered}exec mender {options} --no-syslog --log-level info {what}"
        return ["unshare", "--mount", "sh", "-c", shell]


@dataclass(frozen=True, slots=True)
class MenderDaemon:
    """The client while it runs, and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def check_for_updates(self) -> None:
        """Now, without waiting for its interval."""
        self.process.send_signal(signal.SIGUSR1)

    def send_inventory(self) -> None:
        """The same for the inventory."""
        self.process.send_signal(signal.SIGUSR2)

    def errors(self) -> list[str]:
        """Lines of its log that say so."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if "level=error" in line and NO_BUS not in line]
