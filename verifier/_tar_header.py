"""One tar header block; rules 1 and 2 of ``_tar``."""

from __future__ import annotations

import re

from verifier._record import Record
from verifier.errors import TarChecksumInvalid, TarFieldInvalid

BLOCK = 512
LARGEST_NUMBER = (1 << 63) - 1

_CHECKSUM = slice(148, 156)
_USTAR = b"ustar\x0000"
_GNU = b"ustar  \x00"
_V7 = bytes(8)
# What a flavour leaves zero; another flavour of tar, or GNU's sparse files and times, would use it.
_UNUSED = {_USTAR: slice(500, 512), _GNU: slice(345, 512), _V7: slice(265, 512)}
# Numbers that mean nothing here, but that readers refuse a header for when they are malformed.
_IGNORED_NUMBERS = {
    "uid": slice(108, 116),
    "gid": slice(116, 124),
    "mtime": slice(136, 148),
    "devmajor": slice(329, 337),
    "devminor": slice(337, 345),
}
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_BASE_256 = 0x80


class Member(Record):
    """A file in an archive; offsets in bytes from the archive's start."""

    name: str
    size: int
    mode: int
    typeflag: str
    """One character; ``0`` for a regular file."""
    start_offset: int
    """Of its first header block, extensions included."""
    data_offset: int

    @property
    def end_offset(self) -> int:
        """Just after the padding."""
        return self.data_offset + self.size + -self.size % BLOCK


def parse_block(block: bytes, *, part: str, offset: int) -> Member:
    """Read a 512-byte header block of the archive ``part`` at ``offset``; zero blocks are not for this."""

    def number(field: str, where: slice) -> int:
        value = _number(block[where])
        if value is None:
            raise TarFieldInvalid(part=part, offset=offset, field=field)
        return value

    if not _checksum_holds(block):
        raise TarChecksumInvalid(part=part, offset=offset)
    magic = block[257:265]
    unused = _UNUSED.get(magic)
    if unused is None:
        raise TarFieldInvalid(part=part, offset=offset, field="magic")
    if block[unused].strip(b"\0"):
        raise TarFieldInvalid(part=part, offset=offset, field="padding")
    for field, where in _IGNORED_NUMBERS.items():
        number(field, where)
    typeflag = text(block[156:157]).replace("\0", "0")
    if typeflag == "0" and block[157]:
        raise TarFieldInvalid(part=part, offset=offset, field="linkname")
    prefix = _until_zero(block[345:500]) if magic == _USTAR else b""
    name = _until_zero(block[0:100])
    return Member(
        name=text(prefix + b"/" + name if prefix else name),
        size=number("size", slice(124, 136)),
        mode=number("mode", slice(100, 108)),
        typeflag=typeflag,
        start_offset=offset,
        data_offset=offset + BLOCK,
    )


def text(raw: bytes) -> str:
    """Names are compared with ASCII tables later; what is not UTF-8 stays visible and never matches."""
    return raw.decode("utf-8", "backslashreplace")


def _checksum_holds(block: bytes) -> bool:
    stated = _OCTAL.fullmatch(block[_CHECKSUM])
    if stated is None:
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    difference = sum(rest) - int(stated[1] or b"0", 8)
    # Some old writers summed signed characters; every reader allows for it.
    return difference == 0 or difference == 256 * sum(byte >= 128 for byte in rest)  # noqa: PLR2004


def _number(field: bytes) -> int | None:
    if field[0] == _BASE_256:  # GNU's form for what octal cannot hold; other first bytes mean negative numbers
        value = int.from_bytes(field[1:], "big")
        return value if value <= LARGEST_NUMBER else None
    octal = _OCTAL.fullmatch(field)
    return int(octal[1] or b"0", 8) if octal else None


def _until_zero(field: bytes) -> bytes:
    return field.partition(b"\0")[0]
