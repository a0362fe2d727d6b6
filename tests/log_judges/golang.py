"""Go's own packages for notes and trees (``golang.org/x/mod/sumdb``), over a log that is served."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent / "tiles/main.go"
# Where Debian keeps the sources of Go's packages.
GOPATH = Path("/usr/share/gocode")
SUMDB = GOPATH / "src/golang.org/x/mod/sumdb/tlog"
BUILD_SECONDS = 300
JUDGE_SECONDS = 120


def missing() -> str | None:
    """Why Go cannot judge here; None where it can."""
    if shutil.which("go") is None:
        return "Go is not installed (Debian: golang-go)"
    if not SUMDB.is_dir():
        return "golang.org/x/mod is not installed (Debian: golang-golang-x-mod-dev)"
    return None


def build(directory: Path) -> Path:
    """The judge as a program."""
    program = directory / "tiles"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GOPATH), "GOCACHE": str(directory / "cache")}
    done = subprocess.run(
        ["go", "build", "-o", str(program), str(SOURCE)],
        env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return program


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge said. ``size``: of the log that it accepts; None where it refuses."""

    size: int | None
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoJudge:
    """Asks one service. ``base``: the log's prefix; ``authorization``: a file with the value of that header."""

    program: Path
    base: str
    vkey: str
    ca: Path
    authorization: Path

    def judge(self, older: Sequence[Path] = ()) -> Verdict:
        """What Go's packages make of the log as it is served now, and of checkpoints that were served before."""
        done = subprocess.run(
            [self.program, self.base, self.vkey, self.ca, self.authorization, *older],
            capture_output=True, text=True, timeout=JUDGE_SECONDS, check=False,
        )  # fmt: skip
        said = (done.stdout + done.stderr).strip()
        accepted = done.returncode == 0 and said.startswith("size ")
        return Verdict(size=int(said.removeprefix("size ")) if accepted else None, said=said)
