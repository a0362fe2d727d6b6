"""The way of a PIN from its source to the token's process, past everything else.

A file is opened by the token's process alone. What can be read only once (a pipe) or exists only here (an
environment variable) is moved into a sealed memory file, which each new process of the token reads at offset 0. From
a pipe the kernel moves the bytes: they never enter the memory of this process.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hsm.config import MAX_PIN_FILE, PinSource
from hsm.errors import ConfigurationError

PIPE_TIMEOUT = 10.0
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@dataclass(frozen=True, slots=True, kw_only=True)
class PinHandle:
    """What a token's process is given: a path, or a descriptor that it inherits.

    ``identity`` tells one configuration from the next; None: the status of the file does.
    """

    file: Path | None = None
    fd: int | None = None
    identity: str | None = None
    owned: bool = False

    def close(self) -> None:
        """Close the descriptor if it was made here."""
        if self.owned and self.fd is not None:
            os.close(self.fd)


def sealed_pin_source(
    source: PinSource, *, clock: Callable[[], float], environment: Mapping[str, str] | None = None
) -> PinSource:
    """``source`` in a form that can be read any number of times; call it before workers are forked.

    A pipe becomes a descriptor of a sealed memory file and is closed, and so does a variable where its
    ``environment`` is given; everything else stays as it is. Raises ``ConfigurationError``.
    """
    if source.env is not None and environment is not None:
        return PinSource(fd=handle(source, environment, clock=clock).fd)
    if source.fd is None:
        return source
    try:
        mode = os.fstat(source.fd).st_mode
    except OSError:
        raise _refused("the descriptor is not open") from None
    if stat.S_ISREG(mode):
        return source
    if not stat.S_ISFIFO(mode):
        raise _refused("the descriptor is neither a file nor a pipe")
    memory = _drained(source.fd, clock)
    os.close(source.fd)
    return replace(source, fd=memory)


def handle(source: PinSource, environment: Mapping[str, str], *, clock: Callable[[], float]) -> PinHandle:
    """What to give to the token's process. Raises ``ConfigurationError``."""
    if source.file is not None:
        return PinHandle(file=source.file)
    if source.env is not None:
        value = environment.get(source.env)
        if not value:
            raise _refused(f"the environment variable {source.env} is not set")
        memory = os.memfd_create("pin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(memory, os.fsencode(value))
        return PinHandle(fd=_seal(memory), identity=f"env {source.env} {_lineage()}", owned=True)
    memory_or_file = sealed_pin_source(source, clock=clock).fd
    return PinHandle(fd=memory_or_file, owned=memory_or_file != source.fd)


def _drained(pipe: int, clock: Callable[[], float]) -> int:
    """All bytes of ``pipe``, moved by the kernel into a memory file."""
    memory = os.memfd_create("pin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    deadline, size = clock() + PIPE_TIMEOUT, 0
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    while size <= MAX_PIN_FILE and poller.poll(max(0.0, deadline - clock()) * 1000):
        moved = os.splice(pipe, memory, MAX_PIN_FILE, flags=os.SPLICE_F_NONBLOCK)
        if moved == 0:
            return _seal(memory)
        size += moved
    os.close(memory)
    raise _refused("the pipe holds more than a PIN, or nobody closed its writing end")


def _seal(memory: int) -> int:
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, SEALS)
    return memory


def _lineage() -> str:
    """Names the server that this process belongs to: workers of one server share it, the next server has another.

    A parent with the same command line is the server that forked this worker; any other parent started it.
    """
    parent = os.getppid()
    try:
        forked = Path(f"/proc/{parent}/cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes()
    except OSError:
        forked = False
    pid = parent if forked else os.getpid()
    # Field 22 of stat is the start time; the command in field 2 may itself hold spaces and parentheses.
    started = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    return f"{pid} {started}"


def _refused(reason: str) -> ConfigurationError:
    return ConfigurationError(setting="pin", reason=reason)
