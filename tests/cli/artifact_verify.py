"""Sessions of ``artifact-verify``: a command, and what came of it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 60
COMMAND = (sys.executable, "-m", "verifier")


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a command wrote, and its exit code."""

    stdout: str
    stderr: str
    code: int


def artifact_verify(*arguments: str, cwd: Path, stdin: bytes = b"", before_path: Path | None = None) -> Session:
    """Run the command in ``cwd``, with the modules in ``before_path`` in place of installed ones."""
    changes = {} if before_path is None else {"PYTHONPATH": f"{before_path}:{ROOT}"}
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        timeout=SECONDS,
        check=False,
        env=environment(**changes),
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return Session(
        stdout=done.stdout.decode("utf-8", "surrogateescape"),
        stderr=done.stderr.decode("utf-8", "surrogateescape"),
        code=done.returncode,
    )


def environment(**changes: str) -> dict[str, str]:
    """The environment of the command: UTF-8, and this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error", **changes}
