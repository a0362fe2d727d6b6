"""zstd frames, with whichever binding is installed.

The extra ``fast`` brings ``zstandard``. Python 3.14 has a binding of its own, and ``backports.zstd`` is the same for
older ones; they bound their output themselves.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from verifier._decoder import Decoder, DecoderError, DecoderMemoryRefusedError

_STANDARD_BINDINGS = ("compression.zstd", "backports.zstd")


def new_decoder(*, memory: int) -> Decoder:
    """A decoder for one frame, whose window may take ``memory`` bytes; raises ``ImportError`` without a binding."""
    try:
        from verifier._zstd_blocks import ZstdBlockDecoder
    except ImportError:
        return StandardZstdDecoder(_standard_binding(), memory=memory)
    return ZstdBlockDecoder(memory=memory)


def _standard_binding() -> Any:
    for name in _STANDARD_BINDINGS:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise ImportError(name=_STANDARD_BINDINGS[0])


class StandardZstdDecoder:
    """A decoder of the standard library's binding, its errors turned into ours."""

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
