"""A disk that takes longer to sync, for the processes that are started meanwhile."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("slow_disk.c")
MICROSECONDS = 1e6


@contextmanager
def slow_disk(folder: Path, seconds: float) -> Iterator[None]:
    """Every sync of what is started within takes so much longer; needs a C compiler."""
    library = folder / "slow_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", library, SOURCE, "-ldl"], check=True)
    added = {"LD_PRELOAD": str(library), "SLOW_DISK_MICROSECONDS": f"{seconds * MICROSECONDS:.0f}"}
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
