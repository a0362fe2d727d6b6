"""Leaves as a log holds them, and sources that serve logs made of them, rightly or wrongly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from signer.errors import LogUnreadable
from signer.log.source import PartUnusable
from tests.support.made_logs import MadeLog
from verifier.log import canonical_leaf


def leaf(kind: str = "signature", index: int = 0, **members: Any) -> bytes:
    """A leaf of this type; each a second after the one before."""
    minute, second = divmod(index, 60)
    hour, minute = divmod(minute, 60)
    common = {
        "v": 1, "type": kind, "time": f"2026-01-05T{10 + hour:02}:{minute:02}:{second:02}.000000Z",
        "id": f"{index:032x}", "actor": "api-token:build",
    }  # fmt: skip
    signature = {"key": "firmware", "key_version": 1, "artifact": f"release-{index}", "checked": "head"}
    return canonical_leaf(common | (signature if kind.startswith("signature") else {}) | members)


def releases(size: int) -> MadeLog:
    """A log of signatures after its beginning."""
    return MadeLog(leaves=[leaf("log-created"), *(leaf(index=index) for index in range(1, size))][:size])


@dataclass(slots=True, kw_only=True)
class Served:
    """A log of which so much is served; ``hashes_of`` and ``entries_of`` may be of another log."""

    log: MadeLog
    size: int | None = None
    hashes_of: MadeLog | None = None
    entries_of: MadeLog | None = None
    note: bytes | None = None
    gone: bool = False
    asked: int = 0
    change: Callable[[bytes], bytes] = field(default=lambda part: part)

    @property
    def _end(self) -> int:
        return self.log.size if self.size is None else self.size

    def checkpoint(self) -> bytes:
        self.asked += 1
        if self.gone:
            raise LogUnreadable(source="the test", reason="it is gone")
        return self.note if self.note is not None else self.log.checkpoint(self._end)

    def hashes(self, level: int, number: int, width: int) -> bytes:
        if (number * 256 + width) * 256**level > self._end:
            raise PartUnusable(path=f"{level}/{number}", first=0, problem="it is not there")
        return self.change((self.hashes_of or self.log).hashes(level, number, width))

    def entries(self, number: int, width: int) -> bytes:
        if number * 256 + width > self._end:
            raise PartUnusable(path=f"entries/{number}", first=0, problem="it is not there")
        return self.change((self.entries_of or self.log).entries(number, width))
