"""Where the workers keep what they count: named before prometheus_client is imported, which looks only then."""

from __future__ import annotations

import os
from pathlib import Path

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def prepare(directory: Path) -> None:
    """A folder for the files of all workers; before they are forked, and before anything counts."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    os.environ[DIRECTORY_VARIABLE] = str(directory)


def empty() -> None:
    """Remove what processes of an earlier service counted; by whoever holds the installation, before it has workers."""
    if DIRECTORY_VARIABLE in os.environ:
        own = f"_{os.getpid()}.db"
        for old in Path(os.environ[DIRECTORY_VARIABLE]).glob("*.db"):
            if not old.name.endswith(own):
                old.unlink(missing_ok=True)


def forget(worker: int) -> None:
    """What a worker that has ended said of the moment; what it counted stays."""
    if DIRECTORY_VARIABLE in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker)  # type: ignore[no-untyped-call]
