"""zstd frames with ``zstandard``, and with its output bounded.

``zstandard`` returns all that one call's input expands to, which may be 32768 times its size. So a frame is fed
to it part by part: a block expands to 128 KiB at most (RFC 8878, 3.1.1.2.3). That takes the lengths of a frame's
parts from the format, and nothing else; the library checks all the rest.
"""

from __future__ import annotations

import enum

import zstandard

from verifier._decoder import DecoderError, DecoderMemoryRefusedError

_MAGIC_AND_DESCRIPTOR_BYTES = 5
_BLOCK_HEADER_BYTES = 3
_BLOCK_MAX_BYTES = 128 * 1024
_CHECKSUM_BYTES = 4
_DICTIONARY_ID_BYTES = (0, 1, 2, 4)
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)


class _Part(enum.Enum):
    DESCRIPTOR = enum.auto()
    HEADER = enum.auto()
    BLOCK_HEADER = enum.auto()
    BLOCK = enum.auto()
    CHECKSUM = enum.auto()


class _BlockType(enum.IntEnum):
    RAW = 0
    RLE = 1
    COMPRESSED = 2
    RESERVED = 3


class ZstdBlockDecoder:
    """A decoder for one zstd frame, whose window may take ``memory`` bytes."""

    def __init__(self, *, memory: int) -> None:
        self._zstd = zstandard.ZstdDecompressor(max_window_size=memory).decompressobj()
        self._waiting = bytearray()
        self._part = _Part.DESCRIPTOR
        self._wanted = _MAGIC_AND_DESCRIPTOR_BYTES
        self._has_checksum = False
        self._last_block = False
        self.eof = False
        self.unused_data = b""

    @property
    def needs_input(self) -> bool:
        return not self.eof and len(self._waiting) < self._wanted

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        """At most ``max_length`` bytes, or one block where that is less than 128 KiB."""
        self._waiting += data
        output = bytearray()
        while not self.eof and not self.needs_input:
            if output and len(output) + _BLOCK_MAX_BYTES > max_length:
                break
            output += self._fed(self._taken())
        if self.eof:
            self.unused_data = bytes(self._waiting)
            self._waiting.clear()
        return bytes(output)

    def _taken(self) -> bytes:
        part = bytes(self._waiting[: self._wanted])
        del self._waiting[: self._wanted]
        return part

    def _fed(self, part: bytes) -> bytes:
        self._next_part(part)
        try:
            output = self._zstd.decompress(part) if part else b""
        except zstandard.ZstdError as error:
            if "too much memory" in str(error):
                raise DecoderMemoryRefusedError from None
            raise DecoderError from None
        # The lengths taken from the format and the library's own idea of the frame's end must agree.
        if self.eof and not (self._zstd.eof and not self._zstd.unused_data):
            raise DecoderError
        return output

    def _next_part(self, part: bytes) -> None:
        if self._part is _Part.DESCRIPTOR:
            self._part, self._wanted = _Part.HEADER, self._header_bytes(part[-1])
        elif self._part is _Part.BLOCK_HEADER:
            self._part, self._wanted = _Part.BLOCK, self._block_bytes(part)
        elif self._part is _Part.HEADER or (self._part is _Part.BLOCK and not self._last_block):
            self._part, self._wanted = _Part.BLOCK_HEADER, _BLOCK_HEADER_BYTES
        elif self._part is _Part.BLOCK and self._has_checksum:
            self._part, self._wanted = _Part.CHECKSUM, _CHECKSUM_BYTES
        else:
            self.eof = True

    def _header_bytes(self, descriptor: int) -> int:
        content_size, single_segment, dictionary = descriptor >> 6, descriptor >> 5 & 1, descriptor & 3
        self._has_checksum = bool(descriptor >> 2 & 1)
        size_bytes = _CONTENT_SIZE_BYTES[content_size] or single_segment
        return (not single_segment) + _DICTIONARY_ID_BYTES[dictionary] + size_bytes

    def _block_bytes(self, header: bytes) -> int:
        fields = int.from_bytes(header, "little")
        self._last_block = bool(fields & 1)
        kind, size = _BlockType(fields >> 1 & 3), fields >> 3
        if kind is _BlockType.RESERVED or size > _BLOCK_MAX_BYTES:
            raise DecoderError
        return 1 if kind is _BlockType.RLE else size
