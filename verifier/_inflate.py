"""Decompression with bounds: pieces in, pieces out, never more memory or output than ``Limits`` allows.

1. The suffix of a member must agree with its first bytes; what begins compressed data and is a tar header all the same
   is a second archive.
2. gzip may have several members, and zeros after the last one; zstd may have several frames, and an xz container has
   one stream.
3. Nothing else follows the compressed data.
4. Fields of a stream that some clients refuse are refused: see ``_gzip_header``, ``_xz_blocks`` and ``_zstd``.
5. The dictionary or window is bounded, and so are the ratio of bytes out to bytes in and the numbers of streams
   and chunks.
"""

from __future__ import annotations

from collections.abc import Iterator

from verifier._decoder import (
    Decoder,
    DecoderChunksRefusedError,
    DecoderError,
    DecoderFieldRefusedError,
    DecoderMemoryRefusedError,
)
from verifier._tar_member import BLOCK
from verifier.compression import Compression
from verifier.errors import (
    CompressedTrailingData,
    CompressionCorrupt,
    CompressionFieldRefused,
    CompressionMismatch,
    FastExtraMissing,
    LimitExceeded,
    SecondArchive,
    Truncated,
    VerificationError,
)
from verifier.limits import KIB, Limits

# A decoder is given the same slices of a member however the caller cuts it: what comes out before an error,
# and which error it is, must not depend on the caller.
_SLICE = 128 * 1024
# What is asked for at once of less than a slice: making room for a whole chunk takes as long as inflating a header.
_PIECE_OF_LITTLE = 64 * 1024


_MAGIC = {
    Compression.GZIP: b"\x1f\x8b",
    Compression.XZ: b"\xfd7zXZ\x00",
    Compression.ZSTD: b"\x28\xb5\x2f\xfd",
}
_HEAD = 6
_GZIP_DEFLATE = 8
_GZIP_RESERVED_FLAGS = 0xE0
_GZIP_OPTIONAL_FIELDS = 0x1E
_GZIP_FIXED_BYTES = 10


class Inflater:
    """Decompresses the member ``member``, whose suffix promises ``compression``."""

    def __init__(self, *, member: str, compression: Compression, limits: Limits) -> None:
        self._member = member
        self._compression = compression
        self._limits = limits
        self._slice = bytearray()
        self._head = b""
        self._head_checked = False
        self._decoder: Decoder | None = None
        self._streams = 0
        self._zero_padding = False
        self._bytes_in = 0
        self._bytes_out = 0

    def feed(self, data: memoryview) -> Iterator[memoryview]:
        """Consume all of ``data``; yield what it decompresses to, in pieces of at most ``chunk_bytes``."""
        if self._compression is Compression.NONE:
            yield from self._stored(data)
            return
        if self._slice:
            room = _SLICE - len(self._slice)
            self._slice += data[:room]
            data = data[room:]
            if len(self._slice) < _SLICE:
                return
            full, self._slice = self._slice, bytearray()
            yield from self._inflated(memoryview(full))
        while len(data) >= _SLICE:
            yield from self._inflated(data[:_SLICE])
            data = data[_SLICE:]
        self._slice += data

    def finish(self) -> Iterator[memoryview]:
        """Say that no more bytes come; yield what was held back until then."""
        if self._slice:
            yield from self._inflated(memoryview(self._slice))
        if self._head:
            self._check_head(self._head)
            if self._compression is Compression.NONE:
                yield memoryview(self._head)
        if self._compression is not Compression.NONE and (self._decoder or self._head or not self._streams):
            raise Truncated(part=self._member, offset=self._bytes_in)

    def _stored(self, data: memoryview) -> Iterator[memoryview]:
        if self._head:
            data, self._head = memoryview(self._head + bytes(data)), b""
        if self._head_complete(data):
            yield data

    def _inflated(self, data: memoryview) -> Iterator[memoryview]:
        self._bytes_in += len(data)
        while len(data):
            if self._decoder is None:
                if self._head:
                    data, self._head = memoryview(self._head + bytes(data)), b""
                if self._is_zero_padding(data):
                    return
                if not self._head_complete(data):
                    return
                self._decoder = self._new_decoder()
            decoder = self._decoder
            yield from self._drained(decoder, data)
            if not decoder.eof:
                return
            self._stream_ends()
            data = memoryview(decoder.unused_data)

    def _stream_ends(self) -> None:
        self._streams += 1
        self._decoder = None
        self._head_checked = False
        allowed = self._limits.compressed_streams
        if self._streams > allowed + self._bytes_in // KIB:
            raise LimitExceeded(part=self._member, limit="compressed_streams", allowed=allowed)

    def _is_zero_padding(self, data: memoryview) -> bool:
        """Whether the gzip members are over, and zeros fill the rest."""
        if not self._zero_padding:
            self._zero_padding = self._compression is Compression.GZIP and self._streams > 0 and data[0] == 0
        if self._zero_padding and data.tobytes().count(0) != len(data):
            raise CompressedTrailingData(member=self._member)
        return self._zero_padding

    def _drained(self, decoder: Decoder, data: memoryview | bytes) -> Iterator[memoryview]:
        most = self._limits.chunk_bytes
        if len(data) < _SLICE:
            most = min(most, _PIECE_OF_LITTLE)
        while True:
            piece = self._decompress(decoder, data, most)
            if piece:
                self._bytes_out += len(piece)
                self._check_ratio()
                yield memoryview(piece)
            if decoder.eof or decoder.needs_input:
                return
            data = b""

    def _decompress(self, decoder: Decoder, data: bytes | memoryview, most: int) -> bytes:
        try:
            return decoder.decompress(data, most)
        except DecoderMemoryRefusedError:
            allowed = self._limits.decompression_memory_bytes
            raise LimitExceeded(part=self._member, limit="decompression_memory_bytes", allowed=allowed) from None
        except DecoderChunksRefusedError:
            raise LimitExceeded(part=self._member, limit="xz_chunks", allowed=self._limits.xz_chunks) from None
        except DecoderFieldRefusedError as error:
            raise CompressionFieldRefused(member=self._member, field=str(error)) from None
        except DecoderError:
            raise self._corrupt() from None

    def _head_complete(self, data: memoryview) -> bool:
        """Whether a stream's first bytes are known, and right; holds them back while they are too few."""
        if self._head_checked:
            return True
        if len(data) < (BLOCK if self._compression is Compression.NONE else _HEAD):
            self._head = bytes(data)
            return False
        self._check_head(bytes(data[: BLOCK if self._compression is Compression.NONE else _HEAD]))
        if self._compression is Compression.GZIP and not self._gzip_header_complete(data):
            self._head = bytes(data)
            return False
        self._head_checked = True
        return True

    def _gzip_header_complete(self, data: memoryview) -> bool:
        if len(data) >= _GZIP_FIXED_BYTES and not data[3] & _GZIP_OPTIONAL_FIELDS:
            return True
        from verifier._gzip_header import is_complete

        try:
            return is_complete(data)
        except DecoderFieldRefusedError as error:
            raise CompressionFieldRefused(member=self._member, field=str(error)) from None

    def _check_head(self, head: bytes) -> None:
        found = self._compression
        if found is Compression.NONE or not head.startswith(_MAGIC[found]):
            found = next((kind for kind, magic in _MAGIC.items() if head.startswith(magic)), Compression.NONE)
        another_stream_allowed = self._compression is not Compression.XZ
        if self._streams and not (another_stream_allowed and found is self._compression):
            raise CompressedTrailingData(member=self._member)
        if found is not self._compression:
            raise self._found_another(head, found)
        if found is Compression.GZIP and len(head) >= _HEAD:
            method, flags = head[2], head[3]
            if method != _GZIP_DEFLATE or flags & _GZIP_RESERVED_FLAGS:
                raise self._corrupt()

    def _found_another(self, head: bytes, found: Compression) -> VerificationError:
        from verifier._tar_header import checksum_holds

        if self._compression is Compression.NONE and len(head) == BLOCK and checksum_holds(head):
            return SecondArchive(part=self._member)
        return CompressionMismatch(member=self._member, promised=self._compression.label, found=found.label)

    def _corrupt(self) -> CompressionCorrupt:
        return CompressionCorrupt(member=self._member, compression=self._compression.label)

    def _new_decoder(self) -> Decoder:
        memory = self._limits.decompression_memory_bytes
        if self._compression is Compression.GZIP:
            from verifier._gzip import new_decoder

            return new_decoder()
        if self._compression is Compression.XZ:
            from verifier._xz import XzDecoder

            return XzDecoder(memory=memory, chunks=self._limits.xz_chunks)
        from verifier._zstd import new_decoder as new_zstd_decoder

        try:
            return new_zstd_decoder(memory=memory)
        except ImportError:
            raise FastExtraMissing(part=self._member) from None

    def _check_ratio(self) -> None:
        allowed = self._limits.decompression_ratio
        floor = self._limits.decompression_ratio_floor_bytes
        if self._bytes_out > max(floor, self._bytes_in * allowed):
            raise LimitExceeded(part=self._member, limit="decompression_ratio", allowed=allowed)
