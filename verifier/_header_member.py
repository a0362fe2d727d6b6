"""The header member: held until its digest is known to be right, and only then decompressed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache

from verifier._inflate import Inflater
from verifier._tar import MemberEnd, TarReader
from verifier._tar_member import Member
from verifier.compression import Compression
from verifier.errors import (
    DigestMismatch,
    HeaderMemberMissing,
    HeaderMemberUnexpected,
    LimitExceeded,
    ScriptNameInvalid,
    ScriptRepeated,
)
from verifier.findings import Finding, FindingCode
from verifier.header import HEADER_INFO, META_DATA, TYPE_INFO, Header, parse_header
from verifier.limits import Limits

_SCRIPTS = "scripts/"
_SCRIPT_NAME = (
    r"Artifact(Install|Reboot|Commit|Rollback|RollbackReboot|Failure)_(Enter|Leave|Error)_[0-9]{2}"
    r"(_[!-.0-~]+)?"
)
_ANY_EXECUTABLE = 0o111

# After a file of the first kind (None: at the start) comes one of the second; scripts are one kind.
_NEXT: dict[str | None, tuple[str, ...]] = {
    None: (HEADER_INFO,),
    HEADER_INFO: (_SCRIPTS, TYPE_INFO),
    _SCRIPTS: (_SCRIPTS, TYPE_INFO),
    TYPE_INFO: (META_DATA,),
    META_DATA: (),
}
_MAY_END = frozenset({TYPE_INFO, META_DATA})


class HeaderMember:
    """Collects the member ``name`` (``header.tar`` with its suffix), whose digest must be ``expected``."""

    def __init__(
        self,
        *,
        name: str,
        size: int,
        compression: Compression,
        expected: str,
        limits: Limits,
        report: Callable[[Finding], None],
        on_script: Callable[[str, bytes], None] | None = None,
    ) -> None:
        if size > limits.header_compressed_bytes:
            allowed = limits.header_compressed_bytes
            raise LimitExceeded(part=name, limit="header_compressed_bytes", allowed=allowed)
        self._name = name
        self._compression = compression
        self._expected = expected
        self._limits = limits
        self._report = report
        self._on_script = on_script
        self._stored = bytearray()
        self._last: str | None = None
        self._files: dict[str, bytearray] = {}
        self._scripts: list[str] = []
        self._current: bytearray | None = None
        self._script: bytearray | None = None

    def feed(self, data: memoryview) -> None:
        """Hold the next bytes, as stored."""
        self._stored += data

    def finish(self) -> Header:
        """Compare the digest, then read the header."""
        actual = hashlib.sha256(self._stored).hexdigest()
        if actual != self._expected:
            raise DigestMismatch(path=self._name, expected=self._expected, actual=actual)
        self._read()
        if self._last not in _MAY_END:
            raise HeaderMemberMissing(expected=_NEXT[self._last])
        files = {name: bytes(content) for name, content in self._files.items()}
        return parse_header(files, scripts=tuple(self._scripts), limits=self._limits)

    def _read(self) -> None:
        inflater = Inflater(member=self._name, compression=self._compression, limits=self._limits)
        tar = TarReader(part=self._name, limits=self._limits)
        for pieces in (inflater.feed(memoryview(self._stored)), inflater.finish()):
            for piece in pieces:
                self._archive(tar, piece)
        tar.finish()

    def _archive(self, tar: TarReader, piece: memoryview) -> None:
        at = tar.offset
        for member, contents, padded_with_zeros in tar.plain_members(piece):
            self._file_starts(member)
            self._file_data(contents)
            self._file_ends(padded_with_zeros)
        for item in tar.feed(piece[tar.offset - at :]):
            if isinstance(item, Member):
                self._file_starts(item)
            elif isinstance(item, memoryview):
                self._file_data(item)
            elif isinstance(item, MemberEnd):
                self._file_ends(item.padded_with_zeros)

    def _file_starts(self, member: Member) -> None:
        allowed = self._limits.header_uncompressed_bytes
        if member.end_offset > allowed:
            raise LimitExceeded(part=self._name, limit="header_uncompressed_bytes", allowed=allowed)
        kind = _SCRIPTS if member.name.startswith(_SCRIPTS) else member.name
        expected = _NEXT[self._last]
        if kind not in expected:
            raise HeaderMemberUnexpected(name=member.name, expected=expected)
        self._last = kind
        self._current = None
        if kind == _SCRIPTS:
            self._script_starts(member)
            return
        if member.size > self._limits.json_bytes:
            raise LimitExceeded(part=member.name, limit="json_bytes", allowed=self._limits.json_bytes)
        self._current = self._files[member.name] = bytearray()

    def _script_starts(self, member: Member) -> None:
        name = member.name.removeprefix(_SCRIPTS)
        if not _script_name().fullmatch(name) or len(name) > self._limits.file_name_bytes:
            raise ScriptNameInvalid(name=member.name)
        if name in self._scripts:
            raise ScriptRepeated(name=member.name)
        if len(self._scripts) >= self._limits.scripts:
            raise LimitExceeded(part=self._name, limit="scripts", allowed=self._limits.scripts)
        if not member.mode & _ANY_EXECUTABLE:
            self._report(Finding(code=FindingCode.SCRIPT_NOT_EXECUTABLE, subject=member.name, value=member.mode))
        self._scripts.append(name)
        if self._on_script is not None:
            self._current = self._script = bytearray()

    def _file_ends(self, padded_with_zeros: bool) -> None:
        if not padded_with_zeros:
            self._report(Finding(code=FindingCode.HIDDEN_BYTES, subject=self._name))
        if self._on_script is not None and self._script is not None:
            self._on_script(self._scripts[-1], bytes(self._script))
            self._script = None

    def _file_data(self, data: memoryview) -> None:
        if self._current is not None:
            self._current += data


@cache
def _script_name() -> re.Pattern[str]:
    """Compiled when the first script comes, since most artifacts have none."""
    return re.compile(_SCRIPT_NAME)
