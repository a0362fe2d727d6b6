"""xz containers, with the standard library's ``lzma``."""

from __future__ import annotations

import lzma

from verifier._decoder import DecoderError, DecoderMemoryRefusedError
from verifier._xz_blocks import XzBlocks


class XzDecoder:
    """A decoder for one xz stream (not ``.lzma``) that allocates at most ``memory`` bytes."""

    def __init__(self, *, memory: int) -> None:
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
        self._blocks.feed(data)
        try:
            return self._lzma.decompress(data, max_length)
        except lzma.LZMAError as error:
            if "memory usage limit" in str(error).lower():
                raise DecoderMemoryRefusedError from None
            raise DecoderError from None
