"""Tar header blocks as writers write them today, recognised at a glance.

What is plain is a subset of what ``_tar_header.parse_block`` accepts, and is read as that reads it (a test holds both
together): ustar or GNU, a regular file, numbers in zero-padded octal, a name of printable ASCII, and zeros in every
field that says nothing. Whatever is not plain is not wrong: it is for the rules of ``_tar_header``.
"""

from __future__ import annotations

import re

_NAME_BYTES = 100
# All that follows the name, field by field at its place: mode, uid, gid, size, mtime, checksum, type, link name,
# magic with version, owner and group, device numbers; prefix and padding.
_AFTER_NAME = re.compile(
    rb"([0-7]{7})\0[0-7]{7}\0[0-7]{7}\0([0-7]{11})\0[0-7]{11}\0([0-7]{6})\0 [0\0]\0{100}"
    rb"(?:ustar\x0000|ustar  \0)[ -~\0]{64}(?:0{7}\0|\0{8}){2}\0{167}"
)
_BLANKS_IN_PLACE_OF_THE_CHECKSUM = 8 * ord(" ")


def plain_block(block: bytes) -> tuple[str, int, int] | None:
    """Name, size in bytes and mode of the regular file whose header ``block`` is; ``None`` where it is not plain."""
    fields = _AFTER_NAME.fullmatch(block, _NAME_BYTES)
    if fields is None:
        return None
    raw_name = block[:_NAME_BYTES].rstrip(b"\0")
    # Everything that is not summed here is zero, as the pattern says.
    total = sum(raw_name) + sum(block[100:148]) + _BLANKS_IN_PLACE_OF_THE_CHECKSUM + block[156] + sum(block[257:345])
    if total != int(fields[3], 8) or not raw_name.isascii():
        return None
    name = raw_name.decode("ascii")
    # A zero byte inside of the name does not print either.
    return (name, int(fields[2], 8), int(fields[1], 8)) if name.isprintable() and name else None
