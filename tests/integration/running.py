"""A real service in processes of its own: made by ``artifact-signer init``, run by ``artifact-signer serve``."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from signer.domain.access.presets import ROLES_TEXT
from tests.support.commands import completed

START_SECONDS = 60.0
# A worker that is told to stop before it can hear it is ended after the graceful timeout of 30 s.
STOP_SECONDS = 60.0
POLL_SECONDS = 0.05
# Kinds of files of an installation that name its directory or its port.
WITH_PLACES = (".toml", ".conf", ".env")


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def command(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``artifact-signer`` with the arguments, as a person would."""
    words = [str(argument) for argument in arguments]
    whole = {**_clean_environment(), **(environment or {})}
    if words[:1] != ["serve"] and "LD_PRELOAD" not in whole:
        return completed(words, whole, seconds=START_SECONDS)
    return subprocess.run(
        [sys.executable, "-m", "signer", *words],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
        env=whole,
        stdin=subprocess.DEVNULL,
    )


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ARTIFACT_SIGNER_")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A directory made by ``init``, and how to reach the service that runs from it."""

    directory: Path
    port: int

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.directory / "artifact-signer.toml"

    @property
    def api_token(self) -> str:
        return (self.directory / "admin.token").read_text().strip()

    @property
    def log(self) -> Path:
        return self.directory / "service.log"

    @property
    def client_environment(self) -> dict[str, str]:
        return {
            "ARTIFACT_SIGNER_URL": self.url,
            "ARTIFACT_SIGNER_API_TOKEN_FILE": str(self.directory / "admin.token"),
            "ARTIFACT_SIGNER_CA_FILE": str(self.directory / "cert.crt"),
            # Copies of one installation have logs of one name, which are not one log.
            "XDG_STATE_HOME": str(self.directory / "state"),
        }

    def log_lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """A client command against this service."""
        return command(*arguments, environment=self.client_environment)

    def apply(self, policy: str) -> None:
        """Put a policy in force, on the machine itself."""
        file = self.directory / "policy.toml"
        file.write_text(policy)
        done = command("policy", "apply", file, "--reason", "a test", "--config", self.config)
        assert done.returncode == 0, done.stderr
        file.unlink()

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.directory / "cert.crt"))

    def http(self, **options: Any) -> httpx.Client:
        """An authenticated client; ``headers={}`` leaves the credentials out."""
        options.setdefault("headers", {"Authorization": f"Bearer {self.api_token}"})
        return httpx.Client(base_url=self.url, verify=self.tls(), timeout=30.0, **options)

    def connect(self, *, receive_buffer: int | None = None) -> ssl.SSLSocket:
        """A bare TLS connection, for requests that no client library would send."""
        plain = socket.socket()
        plain.settimeout(30.0)
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.connect(("127.0.0.1", self.port))
        return self.tls().wrap_socket(plain, server_hostname="127.0.0.1")


@cache
def _original() -> Installation:
    """Made by ``artifact-signer init``, once for each test process; never served. Roles may what they are called."""
    # Held by the cache, and removed with it at the end of the process.
    place = TemporaryDirectory(prefix="original-")
    atexit.register(place.cleanup)
    directory, port = Path(place.name) / "installation", free_port()
    done = command("init", directory, "--bind", f"127.0.0.1:{port}")
    assert done.returncode == 0, done.stderr
    made = Installation(directory=directory, port=port)
    made.apply(ROLES_TEXT)
    return made


def initialise(directory: Path) -> Installation:
    """What ``artifact-signer init`` makes, on a free port: a copy of one that was made, which takes a tenth of it."""
    return copied(_original(), directory)


def copied(original: Installation, directory: Path) -> Installation:
    """The same in another directory, on another port, with what its token store holds now."""
    port = free_port()
    sockets = shutil.ignore_patterns("*.sock")
    shutil.copytree(original.directory, directory, symlinks=True, dirs_exist_ok=True, ignore=sockets)
    for path in directory.iterdir():
        if path.suffix in WITH_PLACES:
            text = path.read_text().replace(str(original.directory), str(directory))
            path.write_text(text.replace(f"127.0.0.1:{original.port}", f"127.0.0.1:{port}"))
    return Installation(directory=directory, port=port)


# What runs, and the process that signals go to.
Pair = tuple[Installation, subprocess.Popen[bytes]]


def start(installation: Installation, **settings: str) -> subprocess.Popen[bytes]:
    """``artifact-signer serve``, not yet ready; ``settings`` by the name of their variable without its prefix."""
    environment = {f"ARTIFACT_SIGNER_{name}": value for name, value in settings.items()}
    with installation.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "signer", "serve", "--config", str(installation.config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**_clean_environment(), **environment},
            start_new_session=True,
        )


def wait_until(
    installation: Installation,
    path: str,
    status: int,
    process: subprocess.Popen[bytes],
    *,
    client: Callable[[], httpx.Client] | None = None,
) -> float:
    """Wait until ``path`` answers ``client`` with ``status``; returns how many seconds it took."""
    begun = time.monotonic()
    with client() if client is not None else installation.http(headers={}) as http:
        while time.monotonic() - begun < START_SECONDS:
            assert process.poll() is None, installation.log.read_text()
            with suppress(httpx.TransportError):
                if http.get(path).status_code == status:
                    return time.monotonic() - begun
            time.sleep(POLL_SECONDS)
    raise AssertionError(f"{path} did not answer {status}: {installation.log.read_text()}")


def stop(process: subprocess.Popen[bytes]) -> int:
    """Stop as an operator does; a service that does not stop in time has failed."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_SECONDS)


@contextmanager
def running(installation: Installation, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """The service, ready; stopped at the end."""
    process = start(installation, **settings)
    try:
        wait_until(installation, "/readyz", 200, process)
        yield process
    finally:
        stop(process)
