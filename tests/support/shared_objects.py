"""Libraries in C that tests have their programs preload, built once for a session."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def shared_object(name: str, folder: Path) -> Path:
    """``name.c`` of this folder as a library in ``folder``; skips the test where there is no compiler."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    made = folder / f"{name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", made, HERE / f"{name}.c", "-ldl"], check=True)
    return made
