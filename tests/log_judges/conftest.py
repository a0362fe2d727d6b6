"""The judge that has to be built, once; it skips with a reason where Go is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import golang


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Go's packages, as a program."""
    if reason := golang.missing():
        pytest.skip(reason)
    return golang.build(tmp_path_factory.mktemp("golang"))
