"""The two independent readers: Debian's `mender-artifact` and the device client `mender`.

Neither's exit code is believed: `mender-artifact validate` exits 0 when its key is missing, and the client
installs unsigned artifacts when its key cannot be read. What they *say* counts, and for the client also
that the update module was called to install.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.artifacts import DEVICE_TYPE, PAYLOAD_TYPE

TOOL = "mender-artifact"
CLIENT = "mender"
JUDGE_SECONDS = 30
"""A judge that takes longer than this on an artifact of a few kilobytes does not accept it.

The client 3.4 now and then waits for itself for ever, for example where a payload file comes twice.
"""

VALIDATED = "validated successfully"
AUTHENTICATED = "authenticated digital signature of artifact"

MODULES = Path("/usr/share/mender/modules/v3")
"""Built into the client, like the next one: only root can provide what it looks for there."""
ARTIFACT_INFO = Path("/etc/mender/artifact_info")
INITIAL_NAME = b"artifact_name=before-the-corpus\n"
LOCKS = Path("/run/lock")

MODULE = """\
#!/bin/sh
case "$1" in
    NeedsArtifactReboot|SupportsRollback) echo No ;;
    ArtifactInstall) : > "$2/../../../../../installed" ;;
esac
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a judge decided, and what it said."""

    accepts: bool
    said: str


def validate(artifact: Path, public_key: Path) -> Opinion:
    """`mender-artifact validate`."""
    done = _run([TOOL, "validate", "-k", str(public_key), str(artifact)])
    return Opinion(accepts=done.returncode == 0 and VALIDATED in done.stdout, said=done.stdout + done.stderr)


def install(artifact: Path, public_key: Path, device: Path) -> Opinion:
    """`mender install` on a new device whose state lives in the directory `device`, made here.

    The client's fixed paths must have been prepared with `client_prepared`.
    """
    data = device / "data"
    data.mkdir(parents=True)
    (data / "device_type").write_text(f"device_type={DEVICE_TYPE}\n")
    configuration = device / "mender.conf"
    settings = {"ArtifactVerifyKey": str(public_key), "RootfsPartA": "/dev/a", "RootfsPartB": "/dev/b"}
    configuration.write_text(json.dumps(settings))
    command = [CLIENT, "--no-syslog", "-c", str(configuration), "-d", str(data), "install", str(artifact)]
    done = _run(command)
    said = done.stdout + done.stderr
    installed = (data / "installed").exists()
    return Opinion(accepts=done.returncode == 0 and AUTHENTICATED in said and installed, said=said)


def missing_tool() -> str | None:
    """Why `validate` cannot be called, or None."""
    return None if shutil.which(TOOL) else f"{TOOL} is not installed"


def missing_client() -> str | None:
    """Why `install` cannot be called, or None."""
    if not shutil.which(CLIENT):
        return f"the device client {CLIENT} is not installed"
    return None if os.geteuid() == 0 else f"{CLIENT} looks for its modules in {MODULES}: only root can put one there"


@contextmanager
def client_prepared() -> Iterator[None]:
    """The files that the client looks for in fixed places, shared by all processes that are inside.

    The first to come writes them, the last to leave removes them; a process that dies leaves its shared
    lock with it. What was there before is left alone.
    """
    module = MODULES / PAYLOAD_TYPE
    with _locked("guard", fcntl.LOCK_EX):
        MODULES.mkdir(parents=True, exist_ok=True)
        if not module.exists() or module.read_text() != MODULE:
            # Else another process may be running it: written anew it would be empty, or busy, for a moment.
            module.write_text(MODULE)
            module.chmod(0o755)
        if not ARTIFACT_INFO.exists():
            ARTIFACT_INFO.parent.mkdir(parents=True, exist_ok=True)
            ARTIFACT_INFO.write_bytes(INITIAL_NAME)
        presence = _lock_file("presence")
        fcntl.flock(presence, fcntl.LOCK_SH)
    try:
        yield
    finally:
        with _locked("guard", fcntl.LOCK_EX):
            if _last_one(presence):
                module.unlink(missing_ok=True)
                if ARTIFACT_INFO.read_bytes() == INITIAL_NAME:
                    ARTIFACT_INFO.unlink()
            os.close(presence)


def _last_one(presence: int) -> bool:
    try:
        fcntl.flock(presence, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _locked(name: str, how: int) -> Iterator[None]:
    descriptor = _lock_file(name)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _lock_file(name: str) -> int:
    return os.open(LOCKS / f"artifact-signer-tests.{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=JUDGE_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, returncode=1, stdout="", stderr="it did not end")
