"""A second, very different token: a software TPM behind its resource broker, through tpm2-pkcs11.

Debian: swtpm, tpm2-abrmd, libtss2-tcti-tabrmd0, libtpm2-pkcs11-1, libtpm2-pkcs11-tools, dbus.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hsm import PinSource, TokenConfig, TokenUri

LABEL, PIN = "tpm", "1234"
PROGRAMS = ("swtpm", "dbus-daemon", "dbus-send", "tpm2-abrmd", "tpm2_ptool", "tpm2_createprimary")
LIBRARIES = ("pkcs11/libtpm2_pkcs11.so", "libtss2-tcti-tabrmd.so.0", "libtss2-tcti-swtpm.so.0")
DIRECTORIES = (Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/lib/aarch64-linux-gnu"))
START_SECONDS = 20.0
ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tpm:
    """A running TPM with one token and, in it, an EC pair made by its own tool. ``key_id``: CKA_ID of that pair."""

    config: TokenConfig
    key_id: bytes
    label: str


def missing() -> str | None:
    """Why this token cannot be had here; None where it can."""
    lacking = [name for name in PROGRAMS if _program(name) is None]
    lacking += [name for name in LIBRARIES if _library(name) is None]
    if not lacking:
        return None
    return f"not installed: {', '.join(lacking)} (Debian: swtpm tpm2-abrmd libtss2-tcti-tabrmd0 libtpm2-pkcs11-tools)"


@contextmanager
def running_tpm(directory: Path) -> Iterator[Tpm]:
    """TPM, bus, broker and token store under ``directory``; all of it is gone afterwards."""
    with ExitStack() as stack:
        environment = {
            "DBUS_SESSION_BUS_ADDRESS": _bus(stack, directory),
            "TPM2_PKCS11_TCTI": "tabrmd:bus_type=session",
            "TPM2TOOLS_TCTI": "tabrmd:bus_type=session",
            "TPM2_PKCS11_STORE": str(directory / "store"),
            "TPM2_PKCS11_LOG_LEVEL": "0",
            "TSS2_LOG": "all+NONE",
        }
        _broker(stack, directory, environment, _tpm(stack, directory))
        (directory / "store").mkdir()
        tool = ["tpm2_ptool"]
        _run([*tool, "init"], environment)
        _run([*tool, "addtoken", "--pid=1", f"--label={LABEL}", f"--userpin={PIN}", "--sopin=5678"], environment)
        pair = [f"--label={LABEL}", f"--userpin={PIN}", "--algorithm=ecc256", "--id=made", "--key-label=adopted"]
        _run([*tool, "addkey", *pair], environment)
        pin, locks = directory / "pin", directory / "locks"
        pin.write_text(PIN)
        locks.mkdir()
        module = _library("pkcs11/libtpm2_pkcs11.so")
        config = TokenConfig(
            name="tpm",
            uri=TokenUri(token=LABEL, module_path=module),
            pin=PinSource(file=pin),
            environment=environment,
            sessions=2,
            lock_directory=locks,
        )
        yield Tpm(config=config, key_id=b"made", label="adopted")


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _library(name: str) -> Path | None:
    return next((path / name for path in DIRECTORIES if (path / name).exists()), None)


def _started(stack: ExitStack, command: list[str], **options: object) -> subprocess.Popen[str]:
    program = _program(command[0])
    assert program is not None
    process = subprocess.Popen([program, *command[1:]], text=True, **options)  # type: ignore[call-overload]
    stack.callback(process.wait, timeout=START_SECONDS)
    stack.callback(process.kill)
    if process.stdout is not None:
        stack.callback(process.stdout.close)
    started: subprocess.Popen[str] = process
    return started


def _tpm(stack: ExitStack, directory: Path) -> int:
    """A TPM on two neighbouring ports; returns the first. Another process may take a port first: then once more."""
    state = directory / "state"
    state.mkdir()
    for _ in range(ATTEMPTS):
        port = _free_port()
        ports = ["--server", f"type=tcp,port={port}", "--ctrl", f"type=tcp,port={port + 1}"]
        options = ["--tpm2", "--tpmstate", f"dir={state}", "--flags", "not-need-init,startup-clear"]
        process = _started(stack, ["swtpm", "socket", *options, *ports], stderr=subprocess.DEVNULL)
        if _answers(port + 1, process):
            return port
    raise AssertionError("swtpm does not start")


def _bus(stack: ExitStack, directory: Path) -> str:
    address = f"unix:path={directory / 'bus'}"
    command = ["dbus-daemon", "--session", "--nofork", f"--address={address}", "--print-address=1"]
    process = _started(stack, command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], START_SECONDS)[0], "no message bus"
    return process.stdout.readline().strip()


def _broker(stack: ExitStack, directory: Path, environment: dict[str, str], port: int) -> None:
    command = ["tpm2-abrmd", "--session", "--allow-root", "--max-transients=100", "--tcti", f"swtpm:port={port}"]
    with (directory / "broker.log").open("w") as log:
        _started(stack, command, env={**os.environ, **environment}, stdout=log, stderr=log)
    query = ["dbus-send", "--session", "--print-reply", "--dest=com.intel.tss2.Tabrmd", "/com/intel/tss2/Tabrmd/Tcti"]
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(  # the broker has no other way to say that it is there
        [*query, "org.freedesktop.DBus.Peer.Ping"], env={**os.environ, **environment}, capture_output=True, check=False
    ).returncode:
        assert time.monotonic() < deadline, "no TPM broker"


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int, process: subprocess.Popen[str]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
    return False
