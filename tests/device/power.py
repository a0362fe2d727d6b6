"""Power that is cut at a chosen call of the operating system, and calls that fail.

What was written and not synced may be there after a cut, or not: both are tried. ``lost`` puts the directory back to
what was durable: names as of its last sync, contents as of each file's.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CALLS = ("open", "write", "fsync", "link", "rename", "unlink", "mkdir")


class PowerCut(BaseException):
    """Nothing catches it, and no call works after it."""


@dataclass
class Power:
    """``at``: the number of the call; ``after``: it still takes effect; ``fails``: it only fails, and life goes on."""

    place: Path
    at: int
    after: bool = False
    fails: bool = False
    made: int = 0
    dead: bool = False
    log: list[str] = field(default_factory=list)
    synced: dict[int, bytes] = field(default_factory=dict)
    durable: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # What is there before is durable.
        for path in self.place.iterdir() if self.place.exists() else ():
            self.durable[path.name] = self.synced[path.stat().st_ino] = path.read_bytes()

    def called(self, name: str, real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """One call of the operating system."""
        if not self._ours(name, arguments):
            return real(*arguments, **options)
        if self.dead:
            raise PowerCut
        number, self.made = self.made, self.made + 1
        self.log.append(name)
        if number != self.at:
            return self._done(name, real, arguments, options)
        if self.fails:
            raise OSError(errno.EIO, "Input/output error")
        try:
            if self.after:
                self._done(name, real, arguments, options)
        except OSError:
            pass  # nobody will hear of it
        self.dead = True
        raise PowerCut

    def cut(self) -> None:
        """Between two calls."""
        self.dead = True
        raise PowerCut

    def lose(self) -> None:
        """What was not durable is gone."""
        for path in list(self.place.iterdir()) if self.place.exists() else []:
            path.unlink()
        for name, content in self.durable.items():
            (self.place / name).write_bytes(content)
            (self.place / name).chmod(0o600)

    def _ours(self, name: str, arguments: tuple[Any, ...]) -> bool:
        if name in ("write", "fsync"):
            where = Path(f"/proc/self/fd/{arguments[0]}").readlink()
        elif name == "open" and not arguments[1] & os.O_CREAT:
            return False
        else:
            where = Path(os.fspath(arguments[0]))
        return where == self.place or self.place in where.parents

    def _done(self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        result = real(*arguments, **options)
        if name == "fsync":
            self._keep(arguments[0])
        return result

    def _keep(self, file: int) -> None:
        facts = os.fstat(file)
        if stat.S_ISDIR(facts.st_mode):
            files = [path for path in self.place.iterdir() if path.is_file()]
            self.durable = {path.name: self.synced.get(path.stat().st_ino, b"") for path in files}
        else:
            self.synced[facts.st_ino] = Path(f"/proc/self/fd/{file}").resolve().read_bytes()

    @contextmanager
    def on(self) -> Iterator[Power]:
        """Until the end of the block, or until the cut."""
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                real = getattr(os, name)
                patch.setattr(os, name, self._patched(name, real))
            yield self

    def _patched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **options: self.called(name, real, *arguments, **options)
