"""The files of a device's state: whole or not there, whenever the power is cut.

1. A file is written under another name, synced, and then named; the directory is synced after each change of a name.
2. What is created is never overwritten: it is named by a link, which fails where something is.
3. One process at a time changes anything; what another one left half written is removed by the next that may.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from device.errors import AlreadyThere, StateExposed, StateInUse, StateUnusable

MOST_BYTES = 1 << 20
LOCK = "lock"
UNFINISHED = ".unfinished"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
LOOK_SECONDS = 0.05


class Store(Protocol):
    """Small files by name. Every verb raises ``StateUnusable`` or ``StateExposed``."""

    def read(self, name: str) -> bytes | None:
        """What the file holds; None where there is none."""

    def create(self, name: str, content: bytes) -> None:
        """A new file; raises ``AlreadyThere``."""

    def replace(self, name: str, content: bytes) -> None:
        """The file with another content."""

    def rename(self, source: str, target: str) -> None:
        """The file ``source`` in the place of ``target``, in one step."""

    def remove(self, name: str) -> None:
        """Without the file; nothing where there is none."""

    def locked(self, until: float) -> AbstractContextManager[None]:
        """Alone with the files; raises ``StateInUse`` at ``until``, of the monotonic clock. May be nested."""


class Directory:
    """``Store`` in a directory of its own, made with mode 0700. Safe for threads and processes.

    A process makes one for a directory: two of them wait for each other as two processes do.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._alone = threading.RLock()
        self._depth = 0

    @property
    def path(self) -> Path:
        """Where the files are."""
        return self._path

    def read(self, name: str) -> bytes | None:
        """As the port."""
        with _failing(name):
            try:
                with _opened(self._path / name, os.O_RDONLY | os.O_NONBLOCK) as file:
                    _require_private_file(file, name)
                    return _all_of(file, name)
            except FileNotFoundError:
                return None

    def create(self, name: str, content: bytes) -> None:
        """As the port."""
        with _failing(name):
            unfinished = self._written(content)
            try:
                os.link(unfinished, self._path / name)
            except FileExistsError:
                raise AlreadyThere(name=name) from None
            finally:
                unfinished.unlink()
            self._sync()

    def replace(self, name: str, content: bytes) -> None:
        """As the port."""
        with _failing(name):
            self._written(content).rename(self._path / name)
            self._sync()

    def rename(self, source: str, target: str) -> None:
        """As the port."""
        with _failing(source):
            (self._path / source).rename(self._path / target)
            self._sync()

    def remove(self, name: str) -> None:
        """As the port."""
        with _failing(name):
            try:
                (self._path / name).unlink()
            except FileNotFoundError:
                return
            self._sync()

    @contextmanager
    def locked(self, until: float) -> Iterator[None]:
        """As the port."""
        if not self._alone.acquire(timeout=max(0.0, until - time.monotonic())):
            raise StateInUse
        try:
            self._depth += 1
            if self._depth > 1:
                yield
                return
            with _failing(LOCK):
                self._prepare()
                lock = os.open(self._path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                _lock(lock, until)
                self._tidy()
                yield
            finally:
                os.close(lock)
        finally:
            self._depth -= 1
            self._alone.release()

    def _prepare(self) -> None:
        try:
            self._path.mkdir(0o700)
            _sync_directory(self._path.parent)
        except FileExistsError:
            mode = self._path.stat().st_mode
            if mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise StateExposed(name=str(self._path), mode=f"{stat.S_IMODE(mode):04o}") from None

    def _tidy(self) -> None:
        with _failing(LOCK):
            for path in self._path.iterdir():
                if path.name.endswith(UNFINISHED):
                    path.unlink()

    def _written(self, content: bytes) -> Path:
        """A synced file that has no name of its own yet; nothing is left of it after a failure."""
        unfinished = self._path / f".{secrets.token_hex(8)}{UNFINISHED}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            with _opened(unfinished, flags) as file:
                rest = memoryview(content)
                while rest:
                    rest = rest[os.write(file, rest) :]
                os.fsync(file)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        return unfinished

    def _sync(self) -> None:
        _sync_directory(self._path)


@contextmanager
def _failing(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateUnusable(name=name, reason=error.strerror or type(error).__name__) from None


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _require_private_file(file: int, name: str) -> None:
    facts = os.fstat(file)
    if not stat.S_ISREG(facts.st_mode):
        raise StateUnusable(name=name, reason="not a file")
    if facts.st_mode & OTHERS:
        raise StateExposed(name=name, mode=f"{stat.S_IMODE(facts.st_mode):04o}")


def _all_of(file: int, name: str) -> bytes:
    pieces, size = [], 0
    while piece := os.read(file, 1 << 16):
        size += len(piece)
        if size > MOST_BYTES:
            raise StateUnusable(name=name, reason="too large")
        pieces.append(piece)
    return b"".join(pieces)


def _sync_directory(path: Path) -> None:
    with _opened(path, os.O_RDONLY | os.O_DIRECTORY) as directory:
        os.fsync(directory)


def _lock(lock: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise StateUnusable(name=LOCK, reason=error.strerror or "") from None
            if time.monotonic() >= until:
                raise StateInUse from None
            time.sleep(LOOK_SECONDS)
        else:
            return
