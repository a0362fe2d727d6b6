"""Runs a command of ``artifact-signer`` in a process that ends by SIGKILL at a place that a test names.

``python -m tests.support.cut_command PLACE CALL ARGUMENTS…``; places are those of ``tests.support.broken_off``.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.broken_off import end_at

TIMEOUT = 300.0


def cut(place: str, *arguments: str | Path, call: int = 1) -> None:
    """Run the command in a process of its own, which has to end there."""
    command = [sys.executable, "-m", "tests.support.cut_command", place, str(call), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def main() -> int:
    """As a shell would run it."""
    from signer.cli.main import run

    place, call, *arguments = sys.argv[1:]
    end_at(place, call=int(call))
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
