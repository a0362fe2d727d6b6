"""The newest checkpoint, outside the database: what tells an older database from the present one.

1. Two slots are written in turn, each with a digest over all of it, and the one that was written last is the other
   one's elder until it is on the disk. So whatever a crash leaves, one slot is whole, and what it holds was durable
   before anything that it covers was given out.
2. What is written is never older than what it replaces: not smaller, and not another log of the same size.
3. An ``fdatasync`` that fails says nothing of what is on the disk, and the next one may claim that all is well. So
   after a failure nothing more is written through the same opening of the file; the next one begins with a write.
4. Who writes holds a lock for as long; no process that it starts inherits that. A missing file is made by
   ``create`` alone, which is a person's decision: it is never made because it is missing. So is ``succeed``, after
   which the file is of another log.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from signer.domain.verified_log import AccessState, VerifiedLog
from signer.errors import (
    CheckpointFileDamaged,
    CheckpointFileInUse,
    CheckpointFileMissing,
    CheckpointNotWritten,
)
from verifier.log import Checkpoint, Frontier, LogError, SignedNote
from verifier.log.hashing import HASH_BYTES

SLOT_BYTES = 32 * 1024
FILE_BYTES = 2 * SLOT_BYTES
OWNER_ONLY = 0o600
_HEAD = struct.Struct(">8sI")  # magic and length of the content; the digest over both and the content follows it
_MAGIC = b"ckpt\x00\x00\x00\x01"
_DIGEST_BYTES = sha256().digest_size
_OPENING = os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCheckpoint:
    """A checkpoint with the state that it was signed from.

    Attributes:
        sequence: grows by one with each write.
        note: the signed note.
        log: what was verified when it was signed; the note is of its size and root.
    """

    sequence: int
    note: bytes
    log: VerifiedLog = field(repr=False)

    @property
    def frontier(self) -> Frontier:
        """Of the log."""
        return self.log.frontier

    @property
    def access(self) -> AccessState | None:
        """The tables that give power, as the log left them."""
        return self.log.access

    @property
    def newest(self) -> datetime | None:
        """When the log's newest leaf was written."""
        return self.log.newest


class CheckpointFile:
    """The file at ``path``. Reading needs no lock; see ``HeldCheckpointFile`` for writing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def read(self) -> SavedCheckpoint:
        """The newest checkpoint; raises ``CheckpointFileMissing`` or ``CheckpointFileDamaged``."""
        descriptor = _opened(self._path, os.O_RDONLY)
        try:
            return _newest(self._path, descriptor)[1]
        finally:
            os.close(descriptor)

    def note(self) -> bytes:
        """The newest checkpoint's note alone, for those who sign none; raises as ``read`` does."""
        descriptor = _opened(self._path, os.O_RDONLY)
        try:
            found: list[tuple[int, bytes]] = []
            for slot in range(2):
                with suppress(ValueError, TypeError, KeyError):
                    document = _document(_read_at(self._path, descriptor, slot))
                    found.append((int(document["sequence"]), document["note"].encode("utf-8")))
        finally:
            os.close(descriptor)
        if not found:
            raise CheckpointFileDamaged(path=str(self._path), problem="holds no whole checkpoint")
        return max(found)[1]

    def create(self, *, note: bytes, log: VerifiedLog) -> None:
        """Make the file, durably, with its first checkpoint.

        Raises ``FileExistsError`` where there is one, whatever it holds, and ``CheckpointNotWritten``.
        """
        slot = _packed(SavedCheckpoint(sequence=1, note=note, log=log))
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}.new")
        try:
            _write_new(draft, slot.ljust(FILE_BYTES, b"\x00"))
            # A link, unlike a renaming, replaces nothing.
            self._path.hardlink_to(draft)
            _sync_directory(self._path.parent)
        except FileExistsError:
            raise
        except OSError as error:
            raise CheckpointNotWritten(path=str(self._path), reason=_reason(error)) from error
        finally:
            draft.unlink(missing_ok=True)

    def succeed(self, *, note: bytes, log: VerifiedLog) -> Path:
        """Put the first checkpoint of another log in the place of the file; gives where the one before it is kept.

        Until this one is durable, whatever a crash leaves, the one before it has the name. Raises
        ``CheckpointNotWritten``.
        """
        slot = _packed(SavedCheckpoint(sequence=1, note=note, log=log))
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}.new")
        try:
            _write_new(draft, slot.ljust(FILE_BYTES, b"\x00"))
            aside = _kept_aside(self._path)
            draft.replace(self._path)
            _sync_directory(self._path.parent)
        except OSError as error:
            raise CheckpointNotWritten(path=str(self._path), reason=_reason(error)) from error
        finally:
            draft.unlink(missing_ok=True)
        return aside

    def hold(self) -> HeldCheckpointFile:
        """Take the file for this process alone.

        Raises ``CheckpointFileMissing``, ``CheckpointFileDamaged`` or ``CheckpointFileInUse``.
        """
        return HeldCheckpointFile(self._path)


class HeldCheckpointFile:
    """The file, taken by this process until ``close``. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = _opened(path, os.O_RDWR)
        self._failure: str | None = None
        try:
            _lock(path, self._descriptor)
            self._slot, self._saved = _newest(path, self._descriptor)
        except BaseException:
            os.close(self._descriptor)
            raise

    @property
    def saved(self) -> SavedCheckpoint:
        """What was read at first, or written last."""
        return self._saved

    def write(self, *, note: bytes, log: VerifiedLog) -> SavedCheckpoint:
        """Put another checkpoint in the place of the elder one; durable when the call returns.

        Raises ``LogRolledBack`` or ``LogForked`` for one that is older than what is saved, and
        ``CheckpointNotWritten``: also at each later call, since nobody knows then what the disk holds.
        """
        self._saved.log.beyond(size=log.size, root=log.frontier.root)
        if self._failure is not None:
            raise CheckpointNotWritten(path=str(self._path), reason=self._failure)
        saved = SavedCheckpoint(sequence=self._saved.sequence + 1, note=note, log=log)
        # The one that is saved stays as it is until this one is on the disk.
        slot = 1 - self._slot
        try:
            _write_at(self._descriptor, _packed(saved), slot * SLOT_BYTES)
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._failure = _reason(error)
            raise CheckpointNotWritten(path=str(self._path), reason=self._failure) from error
        self._slot, self._saved = slot, saved
        return saved

    def close(self) -> None:
        """Let the file go."""
        os.close(self._descriptor)


def _opened(path: Path, access: int) -> int:
    try:
        descriptor = os.open(path, access | _OPENING)
    except FileNotFoundError:
        raise CheckpointFileMissing(path=str(path)) from None
    except OSError as error:  # a link among them
        raise CheckpointFileDamaged(path=str(path), problem=f"cannot be opened: {_reason(error)}") from error
    problem = _problem(os.fstat(descriptor))
    if problem is not None:
        os.close(descriptor)
        raise CheckpointFileDamaged(path=str(path), problem=problem)
    return descriptor


def _problem(status: os.stat_result) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "is no file"
    if stat.S_IMODE(status.st_mode) & ~OWNER_ONLY:
        return f"has mode {stat.S_IMODE(status.st_mode):04o} instead of {OWNER_ONLY:04o}"
    if status.st_size != FILE_BYTES:
        return f"has {status.st_size} bytes instead of {FILE_BYTES}"
    return None


def _lock(path: Path, descriptor: int) -> None:
    try:
        # Of the opening, not of the process: it ends with the descriptor, which no program that is started inherits.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CheckpointFileInUse(path=str(path)) from None


def _newest(path: Path, descriptor: int) -> tuple[int, SavedCheckpoint]:
    """The slot that was written last, and what it holds."""
    found: list[tuple[int, SavedCheckpoint]] = []
    for slot in range(2):
        with suppress(ValueError, TypeError, KeyError, LogError):
            found.append((slot, _parsed(_read_at(path, descriptor, slot))))
    if not found:
        raise CheckpointFileDamaged(path=str(path), problem="holds no whole checkpoint")
    return max(found, key=lambda each: each[1].sequence)


def _read_at(path: Path, descriptor: int, slot: int) -> bytes:
    try:
        return os.pread(descriptor, SLOT_BYTES, slot * SLOT_BYTES)
    except OSError as error:
        raise CheckpointFileDamaged(path=str(path), problem=f"cannot be read: {_reason(error)}") from error


def _packed(saved: SavedCheckpoint) -> bytes:
    log = saved.log
    document: dict[str, Any] = {
        "sequence": saved.sequence,
        "note": saved.note.decode("utf-8"),
        "size": log.size,
        "frontier": b"".join(log.frontier.hashes).hex(),
        "newest": None if log.newest is None else log.newest.astimezone(UTC).isoformat(),
        "access": None if log.access is None else [log.access.revision, log.access.sha256],
    }
    content = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    head = _HEAD.pack(_MAGIC, len(content))
    slot = head + content + sha256(head + content).digest()
    if len(slot) > SLOT_BYTES:
        raise ValueError("a checkpoint that is too long for its slot")
    return slot


def _document(slot: bytes) -> Mapping[str, Any]:
    """What a slot holds, as it was written; raises ``ValueError`` unless it is whole."""
    magic, length = _HEAD.unpack_from(slot)
    end = _HEAD.size + length
    if magic != _MAGIC or slot[end : end + _DIGEST_BYTES] != sha256(slot[:end]).digest():
        raise ValueError("torn")
    document: Mapping[str, Any] = json.loads(slot[_HEAD.size : end])
    return document


def _parsed(slot: bytes) -> SavedCheckpoint:
    """What a slot holds; raises ``ValueError``, ``TypeError``, ``KeyError`` or ``LogError`` unless it is whole."""
    document = _document(slot)
    note = document["note"].encode("utf-8")
    hashes = bytes.fromhex(document["frontier"])
    newest, access = document["newest"], document["access"]
    log = VerifiedLog(
        frontier=Frontier(
            document["size"], tuple(hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES))
        ),
        newest=None if newest is None else datetime.fromisoformat(newest),
        access=None if access is None else AccessState(revision=access[0], sha256=access[1]),
    )
    checkpoint = Checkpoint.parse(SignedNote.parse(note).text)
    if (checkpoint.size, checkpoint.root) != (log.size, log.frontier.root):
        raise ValueError("the note is of another log")
    return SavedCheckpoint(sequence=int(document["sequence"]), note=note, log=log)


def _write_at(descriptor: int, content: bytes, offset: int) -> None:
    written = 0
    while written < len(content):
        written += os.pwrite(descriptor, content[written:], offset + written)


def _write_new(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPENING, OWNER_ONLY)
    try:
        # The umask may have taken more than it should.
        os.fchmod(descriptor, OWNER_ONLY)
        _write_at(descriptor, content, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _kept_aside(path: Path) -> Path:
    """The file has this name as well, durably; where it has one already, that one. A lost file leaves nothing there."""
    number = 1
    while (aside := path.with_name(f"{path.name}.rolled-back-{number}")).exists() and not aside.samefile(path):
        number += 1
    if not aside.exists():
        with suppress(FileNotFoundError):
            aside.hardlink_to(path)
    _sync_directory(path.parent)
    return aside


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno or 0)
