"""Where processes agree who opens a token; the lock itself is taken in the token's process alone."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from hsm.errors import ConfigurationError

PRIVATE_DIRECTORY = 0o700


def lock_group(module: Path, environment: Mapping[str, str]) -> str:
    """Names what must not be opened at the same time: one module with one configuration."""
    parts = [os.fspath(module), *(f"{name}={environment[name]}" for name in sorted(environment))]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def lock_directory(configured: Path | None, environment: Mapping[str, str]) -> Path:
    """The directory of locks, made where it is missing.

    ``configured`` may be shared by users. The default is ``$XDG_RUNTIME_DIR/artifact-signer``, else
    ``/tmp/artifact-signer-UID``, and has to belong to this user alone. Raises ``ConfigurationError``.
    """
    runtime = environment.get("XDG_RUNTIME_DIR")
    if configured is not None:
        directory = configured
    elif runtime and Path(runtime).is_dir():
        directory = Path(runtime) / "artifact-signer"
    else:
        directory = Path(f"/tmp/artifact-signer-{os.getuid()}")  # noqa: S108  (checked below)
    try:
        directory.mkdir(mode=PRIVATE_DIRECTORY, parents=configured is not None, exist_ok=True)
        status = directory.lstat()
    except OSError as error:
        raise ConfigurationError(setting="lock_directory", reason=os.strerror(error.errno or 0)) from None
    if configured is None:
        ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if not ours or stat.S_IMODE(status.st_mode) & 0o077:
            raise ConfigurationError(setting="lock_directory", reason=f"{directory} is not private to this user")
    return directory
