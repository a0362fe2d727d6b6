"""Settings of tokens: which token, where its PIN comes from, how long to wait for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from hsm.errors import ConfigurationError
from hsm.uri import TokenUri

__all__ = ["PinSource", "RestartPolicy", "TokenConfig", "TokenUri"]

MAX_SESSIONS = 256
MAX_TIMEOUT = 3600.0
STANDARD_DESCRIPTORS = 3
MAX_PIN = 255  # bytes
MAX_PIN_FILE = 4096  # bytes; a file that is longer holds something else


@dataclass(frozen=True, slots=True, kw_only=True)
class PinSource:
    """Where a PIN comes from: exactly one of the three. The PIN itself never becomes part of this value.

    ``file``: path of a file that holds the PIN, opened by the token's process alone. ``env``: name of an environment
    variable of this process. ``fd``: an open descriptor; a pipe is emptied once, by ``hsm.sealed_pin_source``, before
    workers are forked.
    """

    file: Path | None = field(default=None, repr=False)
    env: str | None = field(default=None, repr=False)
    fd: int | None = field(default=None, repr=False)
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        given = [name for name in ("file", "env", "fd") if getattr(self, name) is not None]
        if len(given) != 1:
            raise _refused("pin", "needs exactly one of file, env and fd")
        object.__setattr__(self, "kind", given[0])
        if self.file is not None and not self.file.is_absolute():
            raise _refused("pin", "the path of the file is not absolute")
        if self.env is not None and (not self.env or "=" in self.env or "\0" in self.env):
            raise _refused("pin", "this cannot be the name of an environment variable")
        if self.fd is not None and self.fd < STANDARD_DESCRIPTORS:
            raise _refused("pin", "a standard stream cannot hold the PIN")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenConfig:
    """One token and how to treat it.

    ``pin`` may be None where the URI has ``pin-source``. ``environment``: what the module reads, all that it gets
    besides PATH, HOME and LANG. ``sessions``: signatures at once. ``sign_timeout``: seconds after which a request
    counts as hung and the token's process is replaced. ``start_timeout``: seconds for loading, login and first
    look-up, and as much again for other processes that are opening the same token. ``lock_directory``: where
    processes agree who opens; None: a directory of this user.
    """

    name: str
    uri: TokenUri
    pin: PinSource | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    sessions: int = 4
    sign_timeout: float = 10.0
    start_timeout: float = 30.0
    lock_directory: Path | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise _refused("name", "is empty")
        if self.uri.module_path is None or not self.uri.module_path.is_absolute():
            raise _refused("uri", "needs module-path, and an absolute one")
        if self.pin is None:
            if self.uri.pin_file is None:
                raise _refused("pin", "neither a PIN source nor pin-source in the URI")
            object.__setattr__(self, "pin", PinSource(file=self.uri.pin_file))
        elif self.uri.pin_file is not None:
            raise _refused("pin", "is given twice, here and in the URI")
        self._check_numbers()
        object.__setattr__(self, "environment", MappingProxyType(_checked(self.environment)))

    def _check_numbers(self) -> None:
        if not 1 <= self.sessions <= MAX_SESSIONS:
            raise _refused("sessions", f"is not between 1 and {MAX_SESSIONS}")
        for setting in ("sign_timeout", "start_timeout"):
            if not 0 < getattr(self, setting) <= MAX_TIMEOUT:
                raise _refused(setting, f"is not between 0 and {MAX_TIMEOUT:.0f} seconds")

    @property
    def module_path(self) -> Path:
        """Absolute path of the PKCS#11 module."""
        assert self.uri.module_path is not None  # noqa: S101  (checked when built)
        return self.uri.module_path

    @property
    def pin_source(self) -> PinSource:
        """The PIN source, wherever it was given."""
        assert self.pin is not None  # noqa: S101  (set when built)
        return self.pin


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How soon a token's process is replaced: ``initial`` seconds, doubled each time up to ``maximum``.

    The delay starts from ``initial`` again after ``healthy_after`` seconds without a failure. A request waits at most
    ``max_wait`` seconds for a token that is about to be back.
    """

    initial: float = 0.05
    maximum: float = 10.0
    healthy_after: float = 30.0
    max_wait: float = 2.0


def file_identity(status: os.stat_result) -> str:
    """What changes when a file is replaced or written."""
    return f"file {status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _checked(environment: Mapping[str, str]) -> dict[str, str]:
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise _refused("environment", "holds a name or value that no environment can hold")
    return {os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()}


def _refused(setting: str, reason: str) -> ConfigurationError:
    return ConfigurationError(setting=setting, reason=reason)
