"""The check of a whole log, as ``log verify`` does it: leaves a second, processor time for each, and peak memory.

The log lies in a folder, and every leaf but two records a P-256 signature of its own. Processor time is that of all
processes together, and the bare verification of as many signatures is beside it: what no reader can do without. A
machine with other work shows more wall time. Each check is a process of its own, so that its memory can be told. Run by
``python -m tests.bench.bench_log_check [LEAVES …]``.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path

from signer.log.check import CheckPlan, check_log
from signer.log.export_source import ExportSource
from signer.log.pinned import SignatureKey
from tests.support.written_logs import WrittenLog, created, pinned, signed, spki, verifier_key
from verifier.log import canonical_leaf

LEAVES = (50_000,)
MEBIBYTE = 1024
MICROSECONDS = 1e6
CHECKED_ALONE = 2_000


def write_log(count: int, folder: Path) -> None:
    """A sound log of so many leaves, in a folder."""
    members = chain((created(0), pinned(1)), map(signed, range(2, count)))
    WrittenLog([canonical_leaf(each) for each in members]).export(folder)


def check(folder: Path, count: int, processes: int) -> str:
    """A line of the table, by this process."""
    began = time.perf_counter()
    verdict = check_log(ExportSource(folder), CheckPlan(keys=(verifier_key(),), processes=processes))
    wall = time.perf_counter() - began
    assert (verdict.fault, verdict.signatures) == (None, count - 2)
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    used = sum(each.ru_utime + each.ru_stime for each in (own, others)) / count * MICROSECONDS
    peaks = f"{own.ru_maxrss / MEBIBYTE:9.0f} {others.ru_maxrss / MEBIBYTE:10.0f}"
    return f"{count:9} {processes:9} {wall:7.1f} {count / wall:10,.0f} {used:12.0f} {bare():9.0f} {peaks}"


def bare() -> float:
    """Microseconds of processor time for a signature alone, now."""
    key = SignatureKey(spki())
    leaves = [signed(index) for index in range(2, 102)]
    pairs = [(str(leaf["signature"]).encode(), bytes.fromhex(str(leaf["manifest_sha256"]))) for leaf in leaves]
    began = time.process_time()
    for turn in range(CHECKED_ALONE):
        assert key.problem(*pairs[turn % len(pairs)]) is None
    return (time.process_time() - began) / CHECKED_ALONE * MICROSECONDS


def main() -> None:
    """Print the table."""
    match sys.argv[1:]:
        case ["--write", count, folder]:
            return write_log(int(count), Path(folder))
        case ["--check", count, processes, folder]:
            return print(check(Path(folder), int(count), int(processes)))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print("   leaves processes  wall s   leaves/s  µs cpu/leaf  bare µs  peak MiB  of others", flush=True)
    for count in [int(text) for text in sys.argv[1:]] or LEAVES:
        with tempfile.TemporaryDirectory() as folder:
            _itself("--write", str(count), folder)
            for processes in sorted({1, os.cpu_count() or 1}):
                _itself("--check", str(count), str(processes), folder)
    return None


def _itself(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "tests.bench.bench_log_check", *arguments], check=True)


if __name__ == "__main__":
    main()
