"""What starting `artifact-verify` costs, and which part of it is not ours.

Every command runs once a round, one after the other, so that each ratio compares runs of the same moment.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .measure import Cost, Run, best, run

PRIMITIVES = """
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
"""
INTERPRETER = "the interpreter"
LIBRARY = "and cryptography's primitives"
OURS = "artifact-verify"
WHERE = "import verifier; print(verifier.__file__)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The best cost of a command, and the median of its processor time over that of the primitives."""

    name: str
    cost: Cost
    over_library: float


def installed_package(python: Path) -> str:
    """Where the package that is measured lies; a checkout is refused, since finding its files costs more."""
    place = run([python, "-I", "-c", WHERE], Path(sys.prefix)).said.strip()
    if "site-packages" not in place:
        raise SystemExit(f"{place} is not an installed package; make bench-verify installs one")
    return place


def commands(ours: Sequence[str | Path], peer: Sequence[str | Path]) -> dict[str, Sequence[str | Path]]:
    """What is run, in this order."""
    python = Path(sys.executable)
    found: dict[str, Sequence[str | Path]] = {
        INTERPRETER: [python, "-I", "-c", "pass"],
        LIBRARY: [python, "-I", "-c", PRIMITIVES],
        OURS: ours,
    }
    return {**found, Path(peer[0]).name: peer} if shutil.which(str(peer[0])) else found


def split(ours: Sequence[str | Path], peer: Sequence[str | Path], *, rounds: int, scratch: Path) -> list[Row]:
    """Run everything `rounds` times in turns."""
    chosen = commands(ours, peer)
    runs: dict[str, list[Run]] = {name: [] for name in chosen}
    for _ in range(rounds):
        for name, command in chosen.items():
            runs[name].append(run(command, scratch))
    return [
        Row(
            name=name,
            cost=best([each.cost for each in ran]),
            over_library=statistics.median(
                each.cost.cpu / library.cost.cpu for each, library in zip(ran, runs[LIBRARY], strict=True)
            ),
        )
        for name, ran in runs.items()
    ]


def table(rows: Sequence[Row], label: str) -> str:
    """The rows for people."""
    lines = [f"| {label} | wall ms | CPU ms | peak MiB | CPU over the primitives' |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {row.name} | {row.cost.wall * 1000:.0f} | {row.cost.cpu * 1000:.0f} | {row.cost.peak:.0f} "
        f"| {row.over_library:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)
