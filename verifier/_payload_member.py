"""The data member: payload files against the manifest's digests, whatever they are packed in.

Only the contents of the payload files are signed. Their archive is read strictly all the same: every file is
listed, every listed file comes, once, and nothing else does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from verifier._inflate import Inflater
from verifier._tar import MemberEnd, TarReader
from verifier._tar_member import Member
from verifier.compression import Compression
from verifier.errors import (
    DigestMismatch,
    LimitExceeded,
    PayloadNameInvalid,
    PayloadNotListed,
    PayloadRepeated,
)
from verifier.events import Event, PayloadData, PayloadFinished, PayloadStarted
from verifier.findings import Finding, FindingCode
from verifier.limits import Limits
from verifier.manifest import PAYLOAD_DIRECTORY, is_payload_name

if TYPE_CHECKING:
    from verifier._hasher import Hasher

_PERMISSIONS = 0o7777
_SETUID_SETGID_OR_WORLD_WRITABLE = 0o6002
# Below this a thread costs more than it hides.
_HASH_IN_THREAD_FROM_BYTES = 1024 * 1024


class PayloadMember:
    """Reads the member ``name``; ``listed`` maps the names of payload files to their digests."""

    _file: Member
    """The file that the archive is in; it yields data and ends only inside one."""

    def __init__(
        self,
        *,
        name: str,
        compression: Compression,
        listed: dict[str, str],
        limits: Limits,
        emit: Callable[[Event], None],
        emit_data: Callable[[PayloadData], None] | None,
        hash_in_thread: bool,
        report: Callable[[Finding], None],
    ) -> None:
        self._name = name
        self._listed = listed
        self._limits = limits
        self._emit = emit
        self._emit_data = emit_data
        self._hash_in_thread = hash_in_thread
        self._report = report
        self._inflater = Inflater(member=name, compression=compression, limits=limits)
        self._tar = TarReader(part=name, limits=limits)
        self._seen: set[str] = set()
        self._digest = hashlib.sha256()
        self._hasher: Hasher | None = None
        self._hashing_in_thread = False

    @property
    def missing(self) -> tuple[str, ...]:
        """Listed files that have not come."""
        return tuple(name for name in self._listed if name not in self._seen)

    def feed(self, data: memoryview) -> None:
        """Take the next bytes of the member, as stored."""
        for piece in self._inflater.feed(data):
            self._archive(piece)

    def finish(self) -> None:
        """Say that the member is complete."""
        for piece in self._inflater.finish():
            self._archive(piece)
        self._tar.finish()

    def close(self) -> None:
        """End the worker thread, if there is one."""
        if self._hasher is not None:
            self._hasher.close()

    def _thread(self) -> Hasher:
        if self._hasher is None:
            from verifier._hasher import Hasher

            self._hasher = Hasher()
        return self._hasher

    def _archive(self, piece: memoryview) -> None:
        for item in self._tar.feed(piece):
            if isinstance(item, memoryview):
                self._file_data(item)
            elif isinstance(item, Member):
                self._file_starts(item)
            elif isinstance(item, MemberEnd):
                self._file_ends(item)

    def _file_starts(self, member: Member) -> None:
        if not is_payload_name(member.name, self._limits):
            raise PayloadNameInvalid(name=member.name)
        if member.name in self._seen:
            raise PayloadRepeated(name=member.name)
        if member.name not in self._listed:
            raise PayloadNotListed(name=member.name)
        allowed = self._limits.payload_uncompressed_bytes
        if allowed is not None and member.end_offset > allowed:
            raise LimitExceeded(part=self._name, limit="payload_uncompressed_bytes", allowed=allowed)
        self._seen.add(member.name)
        mode = member.mode & _PERMISSIONS
        if mode & _SETUID_SETGID_OR_WORLD_WRITABLE:
            self._report(Finding(code=FindingCode.PAYLOAD_MODE, subject=member.name, value=mode))
        self._file = member
        self._digest = hashlib.sha256()
        self._hashing_in_thread = self._hash_in_thread and member.size >= _HASH_IN_THREAD_FROM_BYTES
        self._emit(PayloadStarted(name=member.name, mode=mode, size=member.size))

    def _file_data(self, data: memoryview) -> None:
        if self._hashing_in_thread:
            self._thread().update(self._digest, data)
        else:
            self._digest.update(data)
        if self._emit_data is not None:
            self._emit_data(PayloadData(name=self._file.name, data=data))

    def _file_ends(self, end: MemberEnd) -> None:
        file = self._file
        if self._hashing_in_thread:
            self._thread().settle()
        actual, expected = self._digest.hexdigest(), self._listed[file.name]
        if actual != expected:
            raise DigestMismatch(path=PAYLOAD_DIRECTORY + file.name, expected=expected, actual=actual)
        if not end.padded_with_zeros:
            self._report(Finding(code=FindingCode.HIDDEN_BYTES, subject=self._name))
        self._emit(PayloadFinished(name=file.name, size=file.size, sha256=actual))
