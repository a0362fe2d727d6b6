"""A module in front of SoftHSM that hangs, fails, crashes or lies on command: see shim.c for the commands."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pytest

from tests.hsm.softhsm import PIN, SoftHsm, make_softhsm, module_path

SOURCE = Path(__file__).with_name("shim.c")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shim:
    """One token behind the shim. ``control``: its commands; ``log``: a byte for each login; ``calls``: one for each."""

    hsm: SoftHsm
    control: Path
    log: Path
    calls: Path

    def say(self, *commands: str) -> None:
        """From the next call on, do this; without commands, behave."""
        command(self.control, *commands)

    @property
    def logins(self) -> int:
        """How often a PIN was tried, by all processes together."""
        return self.log.stat().st_size if self.log.exists() else 0

    def signed(self) -> int:
        """How often a signature was asked for."""
        return self._called().count(b"S")

    def searched(self) -> int:
        """How often objects were looked for."""
        return self._called().count(b"F")

    def generated(self) -> int:
        """How often a key pair was asked for."""
        return self._called().count(b"G")

    def most_sessions(self) -> int:
        """How many sessions were open at the same time, of all processes together."""
        steps = {ord("O"): 1, ord("C"): -1}
        return max(accumulate(steps.get(call, 0) for call in self._called()))

    def _called(self) -> bytes:
        return self.calls.read_bytes() if self.calls.exists() else b""


def command(control: Path, *commands: str) -> None:
    """Write what the shim is to do from its next call on, all at once."""
    written = control.with_suffix(".new")
    written.write_text("".join(f"{line}\n" for line in commands))
    written.replace(control)


def compiled(directory: Path) -> Path:
    """The shim as a module in ``directory``; skips the test where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (Debian: gcc)")
    library = directory / "shim.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, "-o", str(library), str(SOURCE), "-ldl"], check=True, timeout=60)
    return library


def make_shim(library: Path, directory: Path, *, label: str = "demo", pin: str = PIN, **settings: object) -> Shim:
    """A SoftHSM token of its own, reached through ``library``."""
    control, log, calls = (directory / f"{label}.{name}" for name in ("control", "log", "calls"))
    control.touch()
    environment = {
        "SHIM_MODULE": str(module_path()),
        "SHIM_CONTROL": str(control),
        "SHIM_LOG": str(log),
        "SHIM_CALLS": str(calls),
    }
    hsm = make_softhsm(directory, label=label, pin=pin, module=library, environment=environment, **settings)
    return Shim(hsm=hsm, control=control, log=log, calls=calls)
