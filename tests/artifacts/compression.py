"""The four ways an artifact's header and payload tars are stored."""

from __future__ import annotations

import gzip
import io
import lzma
from collections.abc import Iterable, Iterator
from contextlib import closing
from enum import Enum
from typing import Protocol

GZIP_LEVEL = 6
"""What writers of artifacts use."""
XZ_PRESET = 6
"""Its dictionary is 8 MiB; preset 9 has the 64 MiB that a reader must allow."""


class Compression(Enum):
    """A compression and the suffix that names it."""

    NONE = ""
    GZIP = ".gz"
    XZ = ".xz"
    ZSTD = ".zst"


def compress(content: bytes, compression: Compression) -> bytes:
    """`content` as it is stored under `compression`."""
    return b"".join(compressed_chunks((content,), compression))


def compress_in_two(content: bytes, compression: Compression) -> bytes:
    """Two streams of the compression, one after the other, that together hold `content`."""
    half = len(content) // 2
    return compress(content[:half], compression) + compress(content[half:], compression)


def compressed_chunks(chunks: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """`chunks` compressed, piece by piece."""
    if compression is Compression.NONE:
        yield from chunks
        return
    drain = io.BytesIO()
    with closing(_opened(drain, compression)) as compressor:
        for chunk in chunks:
            compressor.write(chunk)
            yield drain.getvalue()
            drain.seek(0)
            drain.truncate()
    yield drain.getvalue()


class _Compressor(Protocol):
    def write(self, data: bytes, /) -> int: ...
    def close(self) -> None: ...


def _opened(drain: io.BytesIO, compression: Compression) -> _Compressor:
    if compression is Compression.GZIP:
        return gzip.GzipFile(fileobj=drain, mode="wb", compresslevel=GZIP_LEVEL, mtime=0)
    if compression is Compression.XZ:
        return lzma.LZMAFile(drain, "wb", preset=XZ_PRESET)
    import zstandard

    return zstandard.ZstdCompressor().stream_writer(drain, closefd=False)
