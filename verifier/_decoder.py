"""What ``_inflate`` expects of a codec: one compressed stream at a time, with bounded output, and its errors."""

from __future__ import annotations

from typing import Protocol


class DecoderError(Exception):
    """The stream is corrupt; the codecs' own errors are turned into this."""


class DecoderMemoryRefusedError(DecoderError):
    """The stream asks for a larger dictionary or window than allowed."""


class DecoderChunksRefusedError(DecoderError):
    """The stream has more chunks than allowed for its bytes."""


class DecoderFieldRefusedError(DecoderError):
    """The stream has a field that some clients refuse; its argument names the field."""


class Decoder(Protocol):
    """One compressed stream; the shape that the decoders of ``lzma`` and ``isal`` share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes: ...
