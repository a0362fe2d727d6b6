"""One tar header block; rules 1, 2 and 6 of ``_tar``."""

from __future__ import annotations

import re

from verifier._tar_member import BLOCK, Member
from verifier.errors import SecondArchive, TarChecksumInvalid, TarFieldInvalid

LARGEST_NUMBER = (1 << 63) - 1

_CHECKSUM = slice(148, 156)
_USTAR = b"ustar\x0000"
_GNU = b"ustar  \x00"
_V7 = bytes(8)
# What a flavour leaves zero; another flavour of tar, or GNU's sparse files and times, would use it.
_UNUSED = {
    _USTAR: (slice(500, 512),),
    _GNU: (slice(345, 512),),
    # GNU tar writes the device fields into v7 headers too, and zeros into them.
    _V7: (slice(265, 329), slice(345, 512)),
}
_DEVICE_FIELDS = (slice(329, 337), slice(337, 345))
# Fields that hold names, whether or not anything reads them: of an extension's block, or overridden by one, nobody
# does, and so they are where the beginning of a second archive can hide.
_NAME_FIELDS = {"name": slice(0, 100), "linkname": slice(157, 257), "prefix": slice(345, 500)}
_PRINTABLE = re.compile(rb"[\x20-\x7e]*(?:\0.*)?", re.DOTALL)
# gzip, xz, a zstd frame, a skippable zstd frame: C++ clients look for these in what they have just unpacked.
_COMPRESSED = re.compile(rb"\x1f\x8b|\xfd7zXZ\x00|\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
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


def parse_block(block: bytes, *, part: str, offset: int) -> Member:
    """Read a 512-byte header block of the archive ``part`` at ``offset``; zero blocks are not for this."""

    def number(field: str, where: slice) -> int:
        value = _number(block[where])
        if value is None:
            raise TarFieldInvalid(part=part, offset=offset, field=field)
        return value

    if not checksum_holds(block):
        raise TarChecksumInvalid(part=part, offset=offset)
    if offset == 0 and _COMPRESSED.match(block):
        raise SecondArchive(part=part)
    magic = block[257:265]
    broken = _broken_field(block, magic)
    if broken is not None:
        raise TarFieldInvalid(part=part, offset=offset, field=broken)
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


def _broken_field(block: bytes, magic: bytes) -> str | None:
    """The first field of names or of the flavour that a reader could see something else in; None: there is none."""
    for field, where in _NAME_FIELDS.items():
        if not _PRINTABLE.fullmatch(block[where]):
            return field
    unused = _UNUSED.get(magic)
    if unused is None:
        return "magic"
    if any(block[where].strip(b"\0") for where in unused):
        return "padding"
    if magic == _V7 and any(_number(block[where]) for where in _DEVICE_FIELDS):
        return "padding"
    return None


def text(raw: bytes) -> str:
    """For names, which are ASCII by now, and for the type flag and PAX keys, which stay visible whatever they are."""
    return raw.decode("ascii", "backslashreplace")


def checksum_holds(block: bytes) -> bool:
    """Whether a block of 512 bytes is a tar header by its checksum."""
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
