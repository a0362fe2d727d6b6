"""The folder of what workers count: made early, emptied by nobody but who holds the installation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from signer.web import metrics_folder
from signer.web.metrics_folder import DIRECTORY_VARIABLE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DIRECTORY_VARIABLE, "elsewhere")
    folder = tmp_path / "spool" / "metrics"
    metrics_folder.prepare(folder)
    for name in ("counter_1.db", f"counter_{os.getpid()}.db", f"counter_1{os.getpid()}.db", "notes.txt"):
        (folder / name).touch()
    return folder


def test_it_is_its_owners_and_named(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert os.environ[DIRECTORY_VARIABLE] == str(folder)


def test_making_it_removes_nothing(folder: Path) -> None:
    metrics_folder.prepare(folder)
    assert len(list(folder.iterdir())) == 4


def test_emptying_it_leaves_what_this_process_counts_and_what_is_nobodys(folder: Path) -> None:
    metrics_folder.empty()
    assert {each.name for each in folder.iterdir()} == {f"counter_{os.getpid()}.db", "notes.txt"}
