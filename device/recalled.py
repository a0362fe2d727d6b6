"""What must not be installed any more: signed lists of recalled manifests, of which the newest that was seen is kept.

1. A list is believed when a key of the log signed it, as ``artifact-signer log recalled`` writes it.
2. Of each log one is kept. Another takes its place if its version is no smaller and it leaves nothing out: an older one
   that somebody plays again is refused.
3. Without a list nothing may be installed: where lists are configured, having none is no permission.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from device.errors import (
    ManifestRecalled,
    RecalledListMissing,
    RecalledListOlder,
    RecalledListRefused,
    SettingsInvalid,
)
from device.notes import NoteKey, opened
from device.store import MOST_BYTES, Store

FORM = "recalled/v1"
FILE = "recalled-{}.list"
MOST_RECALLED = 15_000
MOST_KEY_BYTES = 1 << 16
_DIGEST = re.compile("[0-9a-f]{64}")
_NUMBER = re.compile("0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalledList:
    """``origin``: of which log; ``version``: it only grows; ``manifests``: SHA-256 in lowercase hex."""

    origin: str
    version: int
    manifests: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> RecalledList:
        """From the text of a note; raises ``RecalledListRefused``."""
        form, *lines = text.split("\n")
        if form != FORM or len(lines) < len(("origin", "version", "")) or lines.pop():
            raise RecalledListRefused(problem="it is signed, and no list of recalled manifests")
        origin, version, *manifests = lines
        if not _NUMBER.fullmatch(version) or len(manifests) > MOST_RECALLED:
            raise RecalledListRefused(problem="its version is none, or it is too long")
        if not all(_DIGEST.fullmatch(each) for each in manifests) or manifests != sorted(set(manifests)):
            raise RecalledListRefused(problem="its lines are no SHA-256 in ascending order")
        return cls(origin=origin, version=int(version), manifests=frozenset(manifests))


class RecalledLists:
    """The lists of a device. ``keys``: a file of keys of logs, one to a line; ``lock``: alone with the store."""

    def __init__(self, *, keys: Path, store: Store, lock: Callable[[], AbstractContextManager[None]]) -> None:
        self._keys = keys
        self._store = store
        self._lock = lock

    def take(self, unverified_note: bytes) -> RecalledList:
        """Keep this list as the newest of its log.

        Raises ``RecalledListRefused``, ``RecalledListOlder``, ``SettingsInvalid``, or what the state may.
        """
        if len(unverified_note) > MOST_BYTES:
            raise RecalledListRefused(problem=f"it has more than {MOST_BYTES} bytes")
        origin, text = opened(unverified_note, _keys_of(self._keys))
        found = RecalledList.parse(text)
        if found.origin != origin:
            raise RecalledListRefused(problem="it is of another log than its signature")
        with self._lock():
            kept = self._kept(origin)
            if kept is not None and found.version < kept.version:
                raise RecalledListOlder(version=found.version, kept=kept.version)
            if kept is not None and not found.manifests >= kept.manifests:
                raise RecalledListRefused(problem="it leaves out what an earlier one names")
            if found != kept:
                self._store.replace(_file(origin), unverified_note)
        return found

    def take_file(self, path: Path) -> RecalledList:
        """The same of a file, or of ``-`` for standard input."""
        return self.take(_content_of(path))

    def require(self, manifest_sha256: str) -> tuple[RecalledList, ...]:
        """That no kept list names the manifest (SHA-256, lowercase hex); gives the lists that were asked.

        Raises ``ManifestRecalled``, ``RecalledListMissing``, ``RecalledListRefused``, or what the state may.
        """
        if not _DIGEST.fullmatch(manifest_sha256):
            raise SettingsInvalid(problem="what is to be looked up is no SHA-256 in lowercase hex")
        lists = self.kept()
        for each in lists:
            if manifest_sha256 in each.manifests:
                raise ManifestRecalled(manifest_sha256=manifest_sha256, version=each.version)
        if not lists:
            raise RecalledListMissing
        return lists

    def kept(self) -> tuple[RecalledList, ...]:
        """The newest that was seen of each log whose key is known."""
        origins = sorted({key.origin for key in _keys_of(self._keys)})
        return tuple(found for origin in origins if (found := self._kept(origin)) is not None)

    def _kept(self, origin: str) -> RecalledList | None:
        content = self._store.read(_file(origin))
        if content is None:
            return None
        # It was verified when it was taken; the key may have been replaced since.
        text = content.decode("utf-8", "replace").rpartition("\n\n")[0]
        return RecalledList.parse(f"{text}\n")


def _file(origin: str) -> str:
    return FILE.format(hashlib.sha256(origin.encode("utf-8")).hexdigest()[:16])


def _keys_of(path: Path) -> tuple[NoteKey, ...]:
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_KEY_BYTES + 1)
        lines = [line.strip() for line in content.decode("utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise SettingsInvalid(problem=f"recalled_keys cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsInvalid(problem="recalled_keys names a file that is no text") from None
    if not lines or len(content) > MOST_KEY_BYTES:
        raise SettingsInvalid(problem="recalled_keys names a file that holds no key, or too many")
    return tuple(NoteKey.parse(line) for line in lines)


def _content_of(path: Path) -> bytes:
    try:
        if str(path) == "-":
            return _all_of(0)
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise RecalledListRefused(problem="it is no file")
            return _all_of(file)
        finally:
            os.close(file)
    except OSError as error:
        raise RecalledListRefused(problem=f"it cannot be read: {error.strerror}") from None


def _all_of(file: int) -> bytes:
    with os.fdopen(file, "rb", closefd=False) as stream:
        return stream.read(MOST_BYTES + 1)
