"""Runs a command and tells what it cost: wall time, processor time and peak memory.

The command is started by an interpreter that has imported next to nothing: the peak that the kernel reports for
a process begins with the memory of the one that started it. So no peak under `FLOOR_MIB` can be told.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FLOOR_MIB = 10
MEBIBYTE = 1 << 20
DEADLINE_SECONDS = 900

_LAUNCH = """
import json, os, sys, time
out, *command = sys.argv[1:]
to_file = [
    (os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    (os.POSIX_SPAWN_DUP2, 1, 2),
]
start = time.perf_counter()
pid = os.posix_spawnp(command[0], command, os.environ, file_actions=to_file)
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - start
code = os.waitstatus_to_exitcode(status)
print(json.dumps([code, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one run, or the best of several: seconds, seconds, MiB."""

    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a command said and what it cost."""

    code: int
    said: str
    cost: Cost


def run(command: Sequence[str | Path], scratch: Path) -> Run:
    """Run `command` once; its output goes to a file in the directory `scratch`."""
    out = scratch / "output"
    words = [str(word) for word in command]
    launched = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCH, str(out), *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_SECONDS,
    )
    code, wall, cpu, kibibytes = json.loads(launched.stdout)
    cost = Cost(wall=wall, cpu=cpu, peak=kibibytes * 1024 / MEBIBYTE)
    return Run(code=code, said=out.read_text(errors="replace"), cost=cost)


def best(costs: Sequence[Cost]) -> Cost:
    """The least time, which other work on the machine disturbed least, and the most memory."""
    return Cost(
        wall=min(cost.wall for cost in costs),
        cpu=min(cost.cpu for cost in costs),
        peak=max(cost.peak for cost in costs),
    )


def machine() -> str:
    """One line about where this runs."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load average at the start {load:.1f}"
    )
