"""Tar header blocks as writers write them today, recognised at a glance.

What is plain is a subset of what ``_tar_header.parse_block`` accepts, and is read as that reads it (a test holds both
together): ustar or GNU, a regular file, numbers in zero-padded octal, a name of printable ASCII, and zeros in every
field that says nothing. Whatever is not plain is not wrong: it is for the rules of ``_tar_header``.
"""

from __future__ import annotations

import re
from zlib import adler32

_NAME_BYTES = 100
# All that follows the name, field by field at its place: mode, uid, gid, size, mtime, checksum, type, link name,
# magic with version, owner and group, device numbers; prefix and padding.
_AFTER_NAME = re.compile(
    rb"([0-7]{7})\0[0-7]{7}\0[0-7]{7}\0([0-7]{11})\0[0-7]{11}\0([0-7]{6})\0 [0\0]\0{100}"
    rb"(?:ustar\x0000|ustar  \0)[ -~\0]{64}(?:0{7}\0|\0{8}){2}\0{167}"
)
_CHECKSUM = slice(148, 156)
_BLANKS_IN_PLACE_OF_THE_CHECKSUM = 8 * ord(" ")


def plain_block(block: bytes) -> tuple[str, int, int] | None:
    """Name, size in bytes and mode of the regular file whose header ``block`` is; ``None`` where it is not plain."""
    fields = _AFTER_NAME.fullmatch(block, _NAME_BYTES)
    if fields is None:
        return None
    mode, size, checksum = fields.groups()
    # A zero byte inside of the name does not print either.
    name = block[:_NAME_BYTES].rstrip(b"\0").decode("latin-1")
    if not (name and name.isascii() and name.isprintable()):
        return None
    # The lower half of Adler-32 is one more than the sum of the bytes, as long as that is under 65521 (RFC 1950). The
    # bytes of a plain block are ASCII, and most of them zero: they sum to less than half of it.
    total = (adler32(block) & 0xFFFF) - 1 - sum(block[_CHECKSUM]) + _BLANKS_IN_PLACE_OF_THE_CHECKSUM
    if total != int(checksum, 8):
        return None
    return name, int(size, 8), int(mode, 8)
