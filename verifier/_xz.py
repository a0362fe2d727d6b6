"""xz containers, with the standard library's ``lzma``."""

from __future__ import annotations

import lzma

from verifier._decoder import DecoderChunksRefusedError, DecoderError, DecoderMemoryRefusedError
from verifier._xz_blocks import XzBlocks

_CHUNK_BYTES = 64


class XzDecoder:
    """A decoder for one xz stream (not ``.lzma``) that allocates at most ``memory`` bytes.

    It takes ``chunks`` of LZMA2, and one more for each 64 bytes: smaller ones cost more than what they carry.
    """

    def __init__(self, *, memory: int, chunks: int) -> None:
        self._chunks = chunks
        self._bytes_in = 0
        self._lzma = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=memory)
        self._blocks = XzBlocks()

    @property
    def eof(self) -> bool:
        return self._lzma.eof

    @property
    def needs_input(self) -> bool:
        return self._lzma.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._lzma.unused_data

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        self._bytes_in += len(data)
        self._blocks.feed(data)
        if self._blocks.chunks > self._chunks + self._bytes_in // _CHUNK_BYTES:
            raise DecoderChunksRefusedError
        try:
            return self._lzma.decompress(data, max_length)
        except lzma.LZMAError as error:
            if "memory usage limit" in str(error).lower():
                raise DecoderMemoryRefusedError from None
            raise DecoderError from None
