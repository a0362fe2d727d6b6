"""A short, bounded run of the coverage-guided fuzzer over the corpus; a longer one is a command."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNS = 20_000
SECONDS = 20
DEADLINE_SECONDS = 180
"""Start-up, which reads the corpus and instruments the verifier, is part of it."""


@pytest.mark.slow
def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris, of the extra fuzz, is not installed")
    bounds = [f"-runs={RUNS}", f"-max_total_time={SECONDS}", f"-artifact_prefix={tmp_path}/"]

    # A program inherits the peak of memory of the process that became it, and the fuzzer has a bound on its own: so
    # one that is small starts it.
    done = subprocess.run(
        ["timeout", str(DEADLINE_SECONDS), sys.executable, "-m", "tests.fuzz.fuzz_verifier", *bounds],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    executed = re.search(r"Done (\d+) runs", done.stderr)
    assert executed is not None
    assert int(executed[1]) > 0
    assert list(tmp_path.iterdir()) == []
