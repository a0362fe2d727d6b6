"""What several tests share is made by one process, however many there are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import os

import pytest


@pytest.fixture(scope="module")
def process():
    return os.getpid()


@pytest.mark.parametrize("number", range(40))
def test_it_writes_who_runs_it(process, number):
    with open({path!r}, "a") as file:
        print(process, file=file)
"""
CONFTEST = "from tests.conftest import pytest_collection_modifyitems as pytest_collection_modifyitems\n"


def test_tests_of_a_group_run_in_one_process(tmp_path: Path) -> None:
    written = tmp_path / "processes"
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_shared.py").write_text(TESTS.format(path=str(written)))
    command = ("-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider", str(tmp_path))
    root = Path(__file__).parents[2]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        (sys.executable, *command, "--rootdir", str(tmp_path), "-c", os.devnull),
        env=environment | {"PYTHONPATH": str(root)},
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = written.read_text().splitlines()
    assert len(lines) == 40
    assert len(set(lines)) == 1
