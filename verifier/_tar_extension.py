"""The extensions that may come before a tar member; rule 3 of ``_tar``."""

from __future__ import annotations

import re

from verifier._tar_header import LARGEST_NUMBER, text
from verifier._tar_member import BLOCK, Member
from verifier.errors import PaxRecordInvalid, PaxRecordUnsupported, TarExtensionInvalid, TarFieldInvalid

PAX = "x"
LONG_NAME = "L"

_PAX_KEY = re.compile(rb"[\x21-\x7e]+")
_PAX_LENGTH = re.compile(rb"([1-9][0-9]{0,8}) ")
_NEWLINE = 0x0A
_DECIMAL = re.compile(rb"[0-9]{1,19}")
# As far as Go reads them: what fits 63 bits for certain.
_SIGNED_DECIMAL = re.compile(rb"-?[0-9]{1,18}")
_TIME = re.compile(rb"-?[0-9]{1,18}(\.[0-9]*)?")
# What is not ASCII, libarchive cannot convert where the locale is C, and C++ clients stop there.
_TEXT = re.compile(rb"[\x01-\x7f]*")

_NAME = re.compile(rb"[\x20-\x7e]+")
# The size field of a header whose PAX record has the size: none, the same, or the most that octal holds. Another
# number is a second size, for a reader that does not know the record.
_LARGEST_OCTAL = 8**11 - 1

# What writers put into PAX headers, and the shape of each value. A record outside this table may change what
# the member is for one client and not for another.
_PAX_VALUES = {
    b"path": _NAME,
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
        if self._kind == PAX:
            records = _pax_records(data, part=self._part, offset=self.offset)
            self.name = text(records[b"path"]) if b"path" in records else None
            self.size = int(records[b"size"]) if b"size" in records else None
            if self.size is not None and self.size > LARGEST_NUMBER:
                raise PaxRecordInvalid(part=self._part, offset=self.offset, record="size")
        else:
            name, _, rest = data.partition(b"\0")
            if not _NAME.fullmatch(name) or rest.strip(b"\0"):
                raise TarExtensionInvalid(part=self._part, offset=self.offset)
            self.name = text(name)

    def applied_to(self, member: Member) -> Member:
        """The member that a header block and this extension before it describe."""
        name = member.name if self.name is None else self.name
        size = member.size if self.size is None else self.size
        if member.size not in (0, size, _LARGEST_OCTAL):
            raise TarFieldInvalid(part=self._part, offset=member.data_offset - BLOCK, field="size")
        return member._replace(name=name, size=size, start_offset=self.offset)


def _pax_records(data: bytes, *, part: str, offset: int) -> dict[bytes, bytes]:
    """The records, read in one pass: nothing of ``data`` is copied but keys and values."""
    records: dict[bytes, bytes] = {}
    start = 0
    while start < len(data):
        length = _PAX_LENGTH.match(data, start)
        end = start + int(length[1]) if length else 0
        if length is None or not length.end() <= end <= len(data):
            raise PaxRecordInvalid(part=part, offset=offset, record=None)
        key, equals, value = data[length.end() : end - 1].partition(b"=")
        well_formed = equals and data[end - 1] == _NEWLINE and _PAX_KEY.fullmatch(key)
        if not well_formed or key in records:
            raise PaxRecordInvalid(part=part, offset=offset, record=text(key) or None)
        if not key.startswith(_PAX_IGNORED_PREFIXES):
            shape = _PAX_VALUES.get(key)
            if shape is None:
                raise PaxRecordUnsupported(part=part, offset=offset, record=text(key))
            if not shape.fullmatch(value):
                raise PaxRecordInvalid(part=part, offset=offset, record=text(key))
        records[key] = value
        start = end
    return records
