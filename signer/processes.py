"""Who this process is, whether another one is still there, and what it costs to look for garbage."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from signer.domain.workers import Worker

# Fields of /proc/PID/stat after the command's name, which may hold anything (proc(5): field 3 is the first of them).
FIRST_FIELD, USER_FIELD, SYSTEM_FIELD, START_FIELD = 3, 14, 15, 22
UNKNOWN = 0
# How many new objects make a search worthwhile, and how many searches of the younger ones come before one that goes
# further. A request leaves next to nothing to be found: what ends breaks its own circles.
SEARCHES = (10_000, 20, 50)


def this_worker() -> Worker:
    """This process as a worker of the service that is its parent."""
    machine, parent = socket.gethostname(), os.getppid()
    return Worker(
        service=f"{machine}/{parent}/{_started(parent)}",
        machine=machine,
        pid=os.getpid(),
        started=_started(os.getpid()) or UNKNOWN,
    )


def leave_start_up_out_of_searches() -> None:
    """What there is now stays for the life of this process: it is never again looked through for garbage.

    It is most of what there will ever be, and to look through it holds up every request under way for as long. To be
    called when a process that serves has all that it serves with.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SEARCHES)


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


class ProcessorTimes:
    """Processor time of processes that come and go under names, as of the last look at each. Not for threads."""

    def __init__(self) -> None:
        self._now: dict[str, tuple[int, float]] = {}
        self._before: dict[str, float] = {}

    def seconds(self, name: str, pid: int | None) -> float:
        """Of the process ``pid`` and all that had its name before; None: there is none at this moment."""
        last_pid, last = self._now.get(name, (pid, 0.0))
        if pid is not None and pid != last_pid:
            self._before[name] = self._before.get(name, 0.0) + last
            last = 0.0
        if pid is not None:
            # One that is gone meanwhile, or whose number another one has, took what was seen.
            last = max(last, _processor_seconds(pid))
            self._now[name] = (pid, last)
        return self._before.get(name, 0.0) + last

    def total(self, pids: Mapping[str, int | None]) -> float:
        """As ``seconds``, of all of them."""
        return sum(self.seconds(name, pid) for name, pid in pids.items())


def _processor_seconds(pid: int) -> float:
    fields = _fields(pid)
    if fields is None:
        return 0.0
    ticks = int(fields[USER_FIELD - FIRST_FIELD]) + int(fields[SYSTEM_FIELD - FIRST_FIELD])
    return ticks / os.sysconf("SC_CLK_TCK")


def _started(pid: int) -> int | None:
    """Clock ticks from the start of the machine to that of the process; None where there is no such process."""
    fields = _fields(pid)
    return None if fields is None else int(fields[START_FIELD - FIRST_FIELD])


def _fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
