"""A SoftHSM token in a directory of its own, for any test that needs a real one."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hsm import PinSource, TokenConfig, TokenUri

PIN = "correct horse 1234"
SO_PIN = "security officer 9"
MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftHsm:
    """One initialised token. ``store``: the directory in which SoftHSM keeps its objects."""

    config: TokenConfig
    store: Path
    pin_file: Path
    label: str
    serial: str

    def with_(self, **changes: Any) -> TokenConfig:
        """The configuration with other settings."""
        return replace(self.config, **changes)

    def run(self, *arguments: str) -> str:
        """``softhsm2-util`` on this token's store."""
        return _util(self.config.environment["SOFTHSM2_CONF"], *arguments)


def module_path() -> Path:
    """Where SoftHSM is installed; skips the test where it is not."""
    found = next((path for path in MODULES if path.exists()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (Debian: softhsm2)")
    return found


def make_softhsm(
    directory: Path, *, label: str = "demo", pin: str = PIN, module: Path | None = None, **settings: Any
) -> SoftHsm:
    """Initialise a token under ``directory``. ``module``: another library in front of SoftHSM's own.

    ``settings`` go to ``TokenConfig``; ``name`` is the label unless given.
    """
    library = module_path()
    home = directory / f"softhsm-{label}"
    store, locks = home / "tokens", directory / "locks"
    store.mkdir(parents=True)
    locks.mkdir(exist_ok=True)
    conf = home / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {store}\nobjectstore.backend = file\nlog.level = ERROR\n")
    pin_file = home / "pin"
    pin_file.write_text(pin + "\n")
    pin_file.chmod(0o600)
    _util(str(conf), "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", SO_PIN)
    serial = _serial(_util(str(conf), "--show-slots"), label)
    config = TokenConfig(
        **{
            "name": label,
            "uri": TokenUri(token=label, serial=serial, module_path=module or library),
            "pin": PinSource(file=pin_file),
            "environment": {"SOFTHSM2_CONF": str(conf), **settings.pop("environment", {})},
            "lock_directory": locks,
            **settings,
        }
    )
    return SoftHsm(config=config, store=store, pin_file=pin_file, label=label, serial=serial)


def cloned(hsm: SoftHsm, directory: Path, *, name: str) -> SoftHsm:
    """The same token with the same keys in another place, as hardware modules are cloned."""
    home = directory / f"clone-{name}"
    shutil.copytree(hsm.store.parent, home)
    conf = home / "softhsm2.conf"
    conf.write_text(conf.read_text().replace(str(hsm.store), str(home / "tokens")))
    environment = {**hsm.config.environment, "SOFTHSM2_CONF": str(conf)}
    pin_file = home / hsm.pin_file.name
    config = replace(hsm.config, name=name, environment=environment, pin=PinSource(file=pin_file))
    return replace(hsm, config=config, store=home / "tokens", pin_file=pin_file)


def _util(conf: str, *arguments: str) -> str:
    environment = {**os.environ, "SOFTHSM2_CONF": conf}
    command = ["softhsm2-util", *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


def _serial(slots: str, label: str) -> str:
    """The serial number that the listing shows before ``label``."""
    serial = ""
    for line in slots.splitlines():
        name, _, value = (part.strip() for part in line.partition(":"))
        if name == "Serial number":
            serial = value
        if name == "Label" and value == label:
            return serial
    raise AssertionError(f"no token {label} in:\n{slots}")
