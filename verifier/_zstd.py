"""zstd frames, with the standard library's binding: Python's own from 3.14 on, and ``backports.zstd`` before.

It bounds its output by itself, and refuses a frame whose stated content size or checksum is wrong (docs/adr/0016).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from verifier._decoder import Decoder, DecoderError, DecoderMemoryRefusedError

_BINDINGS = ("compression.zstd", "backports.zstd")


def new_decoder(*, memory: int) -> Decoder:
    """A decoder for one frame, whose window may take ``memory`` bytes; raises ``ImportError`` without a binding."""
    return ZstdDecoder(_binding(), memory=memory)


def _binding() -> Any:
    for name in _BINDINGS:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise ImportError(name=_BINDINGS[0])


class ZstdDecoder:
    """A decoder of the binding, its errors turned into ours."""

    def __init__(self, binding: Any, *, memory: int) -> None:
        self._error: type[Exception] = binding.ZstdError
        # The bound is a power of two here: the largest that fits.
        options = {binding.DecompressionParameter.window_log_max: memory.bit_length() - 1}
        self._zstd: Any = binding.ZstdDecompressor(options=options)

    @property
    def eof(self) -> bool:
        return bool(self._zstd.eof)

    @property
    def needs_input(self) -> bool:
        return bool(self._zstd.needs_input)

    @property
    def unused_data(self) -> bytes:
        unused: bytes = self._zstd.unused_data
        return unused

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        try:
            piece: bytes = self._zstd.decompress(data, max_length)
        except self._error as error:
            if "too much memory" in str(error):
                raise DecoderMemoryRefusedError from None
            raise DecoderError from None
        return piece
