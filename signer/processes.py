"""Who this process is, and whether another one is still there."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from signer.domain.workers import Worker

# Fields of /proc/PID/stat after the command's name, which may hold anything (proc(5): field 3 is the first of them).
FIRST_FIELD, START_FIELD = 3, 22
UNKNOWN = 0


def this_worker() -> Worker:
    """This process as a worker of the service that is its parent."""
    machine, parent = socket.gethostname(), os.getppid()
    return Worker(
        service=f"{machine}/{parent}/{_started(parent)}",
        machine=machine,
        pid=os.getpid(),
        started=_started(os.getpid()) or UNKNOWN,
    )


def is_alive(worker: Worker) -> bool:
    """Whether the process is there, and not another one with its number. For workers of this machine only."""
    if Path("/proc/self/stat").exists():
        return _started(worker.pid) == worker.started
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started(pid: int) -> int | None:
    """Clock ticks from the start of the machine to that of the process; None where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[START_FIELD - FIRST_FIELD])
