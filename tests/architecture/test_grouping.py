"""What several tests share is made by one process, however many there are; and what fails there can be run alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert number != 17
"""
SESSION = """
import os

import pytest


@pytest.fixture(scope="session")
def pair():
    return os.getpid()
"""
OTHERS = """
import pytest


@pytest.mark.parametrize("number", range(20))
def test_it_writes_who_made_the_pair(pair, number):
    with open({path!r}, "a") as file:
        print(pair, file=file)
"""
HOOKS = ("pytest_collection_modifyitems", "pytest_runtest_logreport")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Where the tests of a folder, one of which fails, write which process runs them."""
    hooks = "".join(f"from tests.conftest import {name} as {name}\n" for name in HOOKS)
    (tmp_path / "conftest.py").write_text(SESSION + hooks)
    for name in ("one", "another"):
        (tmp_path / f"test_{name}.py").write_text(OTHERS.format(path=str(tmp_path / "pairs")))
    (tmp_path / "test_shared.py").write_text(TESTS.format(path=str(tmp_path / "processes")))
    return tmp_path / "processes"


def run(folder: Path, *options: str) -> str:
    """What pytest says of the folder's tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", *options, str(folder), "--rootdir", str(folder), "-c", os.devnull),
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_tests_of_a_group_run_in_one_process_and_one_that_fails_alone(tmp_path: Path, written: Path) -> None:
    cache = ("-o", f"cache_dir={tmp_path / 'cache'}")
    assert "1 failed, 79 passed" in run(tmp_path, "-n", "2", "--dist", "loadgroup", *cache)
    lines = written.read_text().splitlines()
    assert len(lines) == 40
    assert len(set(lines)) == 1
    pairs = (tmp_path / "pairs").read_text().splitlines()
    assert len(pairs) == 40
    assert len(set(pairs)) == 1
    assert "\n1 failed in " in run(tmp_path, "--last-failed", "--last-failed-no-failures", "none", *cache)
