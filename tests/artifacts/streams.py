"""Compressed streams with fields that writers of artifacts do not use, put together by hand."""

from __future__ import annotations

import binascii
import gzip
import lzma
import zlib
from typing import Any

FHCRC, FEXTRA, FNAME, FCOMMENT = 0x02, 0x04, 0x08, 0x10
LZMA2: dict[str, Any] = {"id": lzma.FILTER_LZMA2, "preset": 6}
X86: dict[str, Any] = {"id": lzma.FILTER_X86}
DELTA: dict[str, Any] = {"id": lzma.FILTER_DELTA, "dist": 1}
_HEADER, _FOOTER = 12, 12


def gzip_member(
    content: bytes,
    *,
    name: bytes | None = None,
    comment: bytes | None = None,
    extra: bytes | None = None,
    header_checksum: bool = False,
) -> bytes:
    """One gzip member (RFC 1952) with optional fields."""
    flags = FEXTRA * (extra is not None) | FNAME * (name is not None) | FCOMMENT * (comment is not None)
    header = b"\x1f\x8b\x08" + bytes([flags | FHCRC * header_checksum]) + bytes(4) + b"\0\xff"
    if extra is not None:
        header += len(extra).to_bytes(2, "little") + extra
    for text in (name, comment):
        if text is not None:
            header += text + b"\0"
    if header_checksum:
        header += (binascii.crc32(header) & 0xFFFF).to_bytes(2, "little")
    return header + gzip.compress(content, mtime=0)[10:]


def xz_stream(*blocks: bytes, filters: tuple[tuple[dict[str, Any], ...], ...]) -> bytes:
    """An xz container (.xz file format 1.2.1) of one block for each content, each with filters of its own."""
    streams = [
        lzma.compress(content, check=lzma.CHECK_CRC32, filters=list(chain))
        for content, chain in zip(blocks, filters, strict=True)
    ]
    packed, records = b"", b""
    for stream in streams:
        index_bytes = 4 * (int.from_bytes(stream[-8:-4], "little") + 1)
        packed += stream[_HEADER : -_FOOTER - index_bytes]
        records += _record(stream[-_FOOTER - index_bytes : -_FOOTER])
    index = b"\0" + bytes([len(streams)]) + records
    index += bytes(-len(index) % 4)
    index += zlib.crc32(index).to_bytes(4, "little")
    backward = (len(index) // 4 - 1).to_bytes(4, "little") + streams[0][6:8]
    return streams[0][:_HEADER] + packed + index + zlib.crc32(backward).to_bytes(4, "little") + backward + b"YZ"


def _record(index: bytes) -> bytes:
    """The one record of an index: its two numbers, as they are encoded."""
    place = start = 2
    for _ in range(2):
        while index[place] & 0x80:
            place += 1
        place += 1
    return index[start:place]
