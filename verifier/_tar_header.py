"""One tar header block, and the extensions that may come before it; rules 1 to 3 of ``_tar``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifier.errors import (
    PaxRecordInvalid,
    PaxRecordUnsupported,
    TarChecksumInvalid,
    TarExtensionInvalid,
    TarFieldInvalid,
)

BLOCK = 512

_CHECKSUM = slice(148, 156)
_USTAR = b"ustar\x0000"
_GNU = b"ustar  \x00"
_V7 = bytes(8)
# What a flavour leaves zero; another flavour of tar, or GNU's sparse files and times, would use it.
_UNUSED = {_USTAR: slice(500, 512), _GNU: slice(345, 512), _V7: slice(265, 512)}
_DEVICE_NUMBERS = (("devmajor", slice(329, 337)), ("devminor", slice(337, 345)))
_LARGEST_NUMBER = (1 << 63) - 1

_PAX_LENGTH = re.compile(rb"[1-9][0-9]{0,8}")
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_DECIMAL = re.compile(rb"[0-9]{1,19}")
_SIGNED_DECIMAL = re.compile(rb"-?[0-9]{1,19}")
_TIME = re.compile(rb"-?[0-9]{1,19}(\.[0-9]*)?")
# What is not ASCII, libarchive cannot convert where the locale is C, and C++ clients stop there.
_TEXT = re.compile(rb"[\x01-\x7f]*")

# What writers put into PAX headers, and the shape of each value. A record outside this table may change what
# the member is for one client and not for another.
_PAX_VALUES = {
    b"path": re.compile(rb"[\x01-\x7f]+"),
    b"size": _DECIMAL,
    b"uid": _SIGNED_DECIMAL,
    b"gid": _SIGNED_DECIMAL,
    b"mtime": _TIME,
    b"atime": _TIME,
    b"ctime": _TIME,
    b"uname": _TEXT,
    b"gname": _TEXT,
    b"comment": _TEXT,
}
_PAX_IGNORED_PREFIXES = (b"SCHILY.xattr.", b"RHT.security.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A regular file in an archive; offsets in bytes from the archive's start."""

    name: str
    size: int
    mode: int
    start_offset: int
    """Of its first header block, extensions included."""
    data_offset: int

    @property
    def end_offset(self) -> int:
        """Just after the padding."""
        return self.data_offset + self.size + -self.size % BLOCK


class Extension:
    """A PAX header or GNU long name, which applies to the member after it."""

    __slots__ = ("_kind", "_part", "name", "offset", "size")

    def __init__(self, *, kind: str, part: str, offset: int) -> None:
        self._kind = kind
        self._part = part
        self.offset = offset
        self.name: str | None = None
        self.size: int | None = None

    def parse(self, data: bytes) -> None:
        """Take the extension's own data, once it is complete."""
        if self._kind == "pax":
            records = _pax_records(data, part=self._part, offset=self.offset)
            self.name = _text(records[b"path"]) if b"path" in records else None
            self.size = int(records[b"size"]) if b"size" in records else None
            if self.size is not None and self.size > _LARGEST_NUMBER:
                raise PaxRecordInvalid(part=self._part, offset=self.offset, record="size")
        else:
            name = data.partition(b"\0")[0]
            if not name:
                raise TarExtensionInvalid(part=self._part, offset=self.offset)
            self.name = _text(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawHeader:
    """A header block as it stands, before an extension is applied."""

    name: str
    size: int
    mode: int
    typeflag: str
    offset: int

    def member(self, extension: Extension | None) -> Member:
        """The member that this block and the extension before it describe."""
        name, size, start = self.name, self.size, self.offset
        if extension is not None:
            name = extension.name if extension.name is not None else name
            size = extension.size if extension.size is not None else size
            start = extension.offset
        data_offset = self.offset + BLOCK
        return Member(name=name, size=size, mode=self.mode, start_offset=start, data_offset=data_offset)


def parse_block(block: bytes, *, part: str, offset: int) -> RawHeader:
    """Read a 512-byte header block of the archive ``part`` at ``offset``; zero blocks are not for this."""

    def number(field: str, where: slice) -> int:
        value = _number(block[where])
        if value is None:
            raise TarFieldInvalid(part=part, offset=offset, field=field)
        return value

    if not _checksum_holds(block):
        raise TarChecksumInvalid(part=part, offset=offset)
    prefix = _prefix(block, part=part, offset=offset)
    for field, where in (("uid", slice(108, 116)), ("gid", slice(116, 124)), ("mtime", slice(136, 148))):
        number(field, where)
    name = _until_zero(block[0:100])
    typeflag = _text(block[156:157]).replace("\0", "0")
    if typeflag == "0" and block[157]:
        raise TarFieldInvalid(part=part, offset=offset, field="linkname")
    return RawHeader(
        name=_text(prefix + b"/" + name if prefix else name),
        size=number("size", slice(124, 136)),
        mode=number("mode", slice(100, 108)),
        typeflag=typeflag,
        offset=offset,
    )


def _checksum_holds(block: bytes) -> bool:
    stated = _OCTAL.fullmatch(block[_CHECKSUM])
    if stated is None:
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(rest)
    # Some old writers summed signed characters; every reader allows for it.
    signed = unsigned - 256 * sum(byte > 127 for byte in rest)  # noqa: PLR2004 - the sign bit
    return int(stated[1] or b"0", 8) in {unsigned, signed}


def _prefix(block: bytes, *, part: str, offset: int) -> bytes:
    """The name's prefix; refuses what some reader takes for another flavour of tar."""
    magic = block[257:265]
    unused = _UNUSED.get(magic)
    if unused is None:
        raise TarFieldInvalid(part=part, offset=offset, field="magic")
    for field, where in _DEVICE_NUMBERS:
        if _number(block[where]) is None:
            raise TarFieldInvalid(part=part, offset=offset, field=field)
    if any(block[unused]):
        raise TarFieldInvalid(part=part, offset=offset, field="padding")
    return _until_zero(block[345:500]) if magic == _USTAR else b""


def _number(field: bytes) -> int | None:
    if field[0] == 0x80:  # noqa: PLR2004 - base-256, positive: GNU's form for what octal cannot hold
        value = int.from_bytes(field[1:], "big")
        return value if value <= _LARGEST_NUMBER else None
    octal = _OCTAL.fullmatch(field)
    return int(octal[1] or b"0", 8) if octal else None


def _until_zero(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _text(raw: bytes) -> str:
    """Names are compared with ASCII tables later; what is not UTF-8 stays visible and never matches."""
    return raw.decode("utf-8", "backslashreplace")


def _pax_records(data: bytes, *, part: str, offset: int) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    while data:
        length, _, rest = data.partition(b" ")
        if not _PAX_LENGTH.fullmatch(length) or int(length) > len(data):
            raise PaxRecordInvalid(part=part, offset=offset, record=None)
        record, data = rest[: int(length) - len(length) - 1], data[int(length) :]
        key, equals, value = record[:-1].partition(b"=")
        if not equals or not key or record[-1:] != b"\n" or key in records:
            raise PaxRecordInvalid(part=part, offset=offset, record=_text(key) or None)
        if not key.startswith(_PAX_IGNORED_PREFIXES):
            shape = _PAX_VALUES.get(key)
            if shape is None:
                raise PaxRecordUnsupported(part=part, offset=offset, record=_text(key))
            if not shape.fullmatch(value):
                raise PaxRecordInvalid(part=part, offset=offset, record=_text(key))
        records[key] = value
    return records
