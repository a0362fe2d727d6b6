"""The check of a whole log, as ``log verify`` does it: leaves a second, processor time for each, and peak memory.

The log lies in a folder, and every leaf but two records a P-256 signature of its own. Processor time is that of all
processes together; a machine with other work shows more wall time, not more of that. Run by
``python -m tests.bench.bench_log_check [LEAVES]``.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from signer.log.check import CheckPlan, check_log
from signer.log.export_source import ExportSource
from tests.support.written_logs import WrittenLog, leaves, verifier_key

LEAVES = 50_000
MEBIBYTE = 1024


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _row(folder: Path, processes: int, count: int) -> str:
    began, cpu = time.perf_counter(), _cpu()
    verdict = check_log(ExportSource(folder), CheckPlan(keys=(verifier_key(),), processes=processes))
    wall, used = time.perf_counter() - began, _cpu() - cpu
    assert verdict.fault is None
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return f"{processes:9} {count / wall:10,.0f} {used / count * 1e6:11.0f} {peak / MEBIBYTE:9.0f}"


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else LEAVES
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        process = os.fork()
        if process == 0:
            # What it takes to make the log is not to be counted.
            WrittenLog.of(leaves(count)).export(folder)
            os._exit(0)
        os.waitpid(process, 0)
        print(f"{count} leaves, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print("processes   leaves/s  µs cpu/leaf  peak MiB")
        for processes in sorted({1, os.cpu_count() or 1}):
            print(_row(folder, processes, count))


if __name__ == "__main__":
    main()
