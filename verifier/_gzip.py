"""gzip streams, with ISA-L where the extra ``fast`` is installed and zlib where it is not."""

from __future__ import annotations

import zlib
from typing import Any

from verifier._decoder import Decoder, DecoderError

_GZIP_WINDOW_BITS = 16 + zlib.MAX_WBITS


def new_decoder() -> Decoder:
    """A decoder for one gzip member; it checks the member's CRC and length."""
    try:
        from isal import igzip_lib
    except ImportError:
        return ZlibDecoder()
    return IsalDecoder(igzip_lib)


class ZlibDecoder:
    """zlib's decompression object in the shape of ``Decoder``."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_GZIP_WINDOW_BITS)
        self._output_was_full = False

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._output_was_full

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        tail = self._zlib.unconsumed_tail
        try:
            piece = self._zlib.decompress(tail + data if tail else data, max_length)
        except zlib.error:
            raise DecoderError from None
        # With its output full, zlib may hold more than the input it has not consumed.
        self._output_was_full = len(piece) == max_length
        return piece


class IsalDecoder:
    """ISA-L's decompressor, its errors turned into ours."""

    def __init__(self, igzip_lib: Any) -> None:
        self._error: type[Exception] = igzip_lib.IsalError
        self._isal: Any = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)

    @property
    def eof(self) -> bool:
        return bool(self._isal.eof)

    @property
    def needs_input(self) -> bool:
        return bool(self._isal.needs_input)

    @property
    def unused_data(self) -> bytes:
        unused: bytes = self._isal.unused_data
        return unused

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        try:
            piece: bytes = self._isal.decompress(data, max_length)
        except self._error:
            raise DecoderError from None
        return piece
