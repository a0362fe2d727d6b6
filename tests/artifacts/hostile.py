"""The dearest inputs that are known: for each layer, bytes that cost a reader more than honest ones of their length.

Each function takes about how many bytes to make. ``tests.bench.bench_hostile`` measures them, tests hold their cost to
their length, and the fuzzer starts from them. Whoever finds a dearer one adds it here.
"""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Iterator

from .tarwriter import NAME_BYTES, Member, pax_record, tar_bytes

Make = Callable[[int], bytes]


def repeated(begin: bytes, unit: bytes, end: bytes = b"") -> Make:
    """``unit`` as often as it fits between ``begin`` and ``end``."""
    return lambda size: begin + unit * max(1, (size - len(begin) - len(end)) // len(unit)) + end


_DEEP = b'{"a":' + b"[" * 65
_LIST, _LIST_ENDS = b'{"a":[', b"0]}"


def _keys(size: int) -> bytes:
    return b"{" + b",".join(b'"%x":0' % number for number in range(size // 10)) + b"}"


JSON: dict[str, Make] = {
    "escapes in a string without an end, after too many brackets": repeated(_DEEP + b'"', b'\\"'),
    "empty strings after too many brackets": repeated(_DEEP, b'""'),
    "empty lists": repeated(_LIST, b"[],", _LIST_ENDS),
    "empty objects": repeated(_LIST, b"{},", _LIST_ENDS),
    "objects of one member": repeated(_LIST, b'{"":0},', _LIST_ENDS),
    "keys that are not ASCII": repeated(_LIST, '{"é":0},'.encode(), _LIST_ENDS),
    "one object of many members": _keys,
    "numbers of one digit": repeated(_LIST, b"0,", _LIST_ENDS),
    "numbers of three hundred digits": repeated(_LIST, b"1" * 300 + b",", _LIST_ENDS),
    "one number of many digits": repeated(b'{"a":0.', b"1", b"}"),
    "pairs of surrogates": repeated(_LIST, b'"\\ud83d\\ude00",', _LIST_ENDS),
}


def _records(size: int) -> Iterator[bytes]:
    length = number = 0
    while length < size:
        yield (record := pax_record(f"RHT.security.{number:x}", ""))
        number += 1
        length += len(record)


def pax_records(size: int) -> bytes:
    """The contents of a PAX header: the shortest records that readers skip."""
    return b"".join(_records(size))


def _tar_of_pax_headers(size: int) -> bytes:
    each = 60 * 1024
    extension = Member(name="PaxHeaders.0/x", content=pax_records(each), kind=b"x")
    return tar_bytes(Member(name=f"m{number}", before=(extension,)) for number in range(max(1, size // each)))


TAR: dict[str, Make] = {
    "empty members": lambda size: tar_bytes(Member(name=f"m{number}") for number in range(size // 512)),
    "empty members with a raw name to its last byte": lambda size: tar_bytes(
        Member(name=f"{number:0{NAME_BYTES}}", mode=0o10777) for number in range(size // 512)
    ),
    "PAX headers of many records": _tar_of_pax_headers,
    "zeros after the end": bytes,
}

MANIFEST: dict[str, Make] = {
    "payload files": lambda size: b"".join(b"%064x  data/0000/%d\n" % (n, n) for n in range(size // 88)),
    "newlines": repeated(b"", b"\n"),
}

_GZIP = gzip.compress(b"", mtime=0)
_GZIP_HEAD, _GZIP_TAIL = _GZIP[:10], _GZIP[10:]
_GZIP_ENDS = b"\x03\0" + bytes(8)
# Eight blocks of ten bits: not the last, fixed codes, end of block.
_EIGHT_FIXED_BLOCKS = sum(0b010 << 10 * block for block in range(8)).to_bytes(10, "little")
GZIP: dict[str, Make] = {
    "empty members": repeated(b"", _GZIP),
    "members of a kibibyte, most of it an extra field": repeated(
        b"", _GZIP_HEAD[:3] + b"\x04" + _GZIP_HEAD[4:] + (1000).to_bytes(2, "little") + bytes(1000) + _GZIP_TAIL
    ),
    "empty stored blocks": repeated(_GZIP_HEAD, b"\0\0\0\xff\xff", _GZIP_ENDS),
    "empty blocks of fixed codes": repeated(_GZIP_HEAD, _EIGHT_FIXED_BLOCKS, _GZIP_ENDS),
}

_XZ = lzma.compress(b"x", check=lzma.CHECK_NONE)
_XZ_HEAD = _XZ[:12]
_XZ_BLOCK_HEAD = _XZ[12 : 12 + (_XZ[12] + 1) * 4]
_XZ_FIRST_CHUNK, _XZ_CHUNK = b"\x01\0\0x", b"\x02\0\0x"
XZ: dict[str, Make] = {
    "chunks of one byte": repeated(_XZ_HEAD + _XZ_BLOCK_HEAD + _XZ_FIRST_CHUNK, _XZ_CHUNK),
    "chunks of sixty bytes": repeated(
        _XZ_HEAD + _XZ_BLOCK_HEAD + _XZ_FIRST_CHUNK, b"\x02" + (60).to_bytes(2, "big") + bytes(61)
    ),
    "blocks of one byte": repeated(_XZ_HEAD, _XZ_BLOCK_HEAD + _XZ_FIRST_CHUNK + bytes(4)),
}

_ZSTD_HEAD, _ZSTD_HEAD_64_MIB = b"\x28\xb5\x2f\xfd\0\x58", b"\x28\xb5\x2f\xfd\0\x80"
_ZSTD_LAST_RAW_1015 = (1015 << 3 | 1).to_bytes(3, "little") + bytes(1015)
ZSTD: dict[str, Make] = {
    "empty frames": repeated(b"", _ZSTD_HEAD + b"\1\0\0"),
    "frames of a kibibyte": repeated(b"", _ZSTD_HEAD + _ZSTD_LAST_RAW_1015),
    "frames of a kibibyte with a window of 64 MiB": repeated(b"", _ZSTD_HEAD_64_MIB + _ZSTD_LAST_RAW_1015),
    "empty blocks": repeated(_ZSTD_HEAD, b"\0\0\0", b"\1\0\0"),
    "blocks of one byte repeated": repeated(_ZSTD_HEAD, b"\x0a\0\0x", b"\1\0\0"),
}
