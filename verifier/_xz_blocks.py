"""The blocks of an xz container (.xz file format 1.2.1, section 3), as far as clients differ about them.

Go clients read blocks whose one filter is LZMA2; the library here would read others as well, and does not say which
ones it found. This follows the bytes beside it, from block to block by the sizes of LZMA2's chunks. It decides
nothing else: where the bytes make no sense, it stops following, and the library refuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from verifier._decoder import DecoderFieldRefusedError

_STREAM_HEADER_BYTES = 12
_STREAM_FLAGS = 7
_CHECK_BYTES = (0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64)
_FILTERS, _COMPRESSED_SIZE, _UNCOMPRESSED_SIZE = 0x03, 0x40, 0x80
_LZMA2 = 0x21
_MORE = 0x80
_CHUNK_END, _CHUNK_STORED, _CHUNK_LZMA, _CHUNK_NEW_PROPERTIES = 0x00, (0x01, 0x02), 0x80, 0xC0

_Steps = Generator[int, None, None]
"""A run over the bytes: yields how many bytes it wants next; a number below zero is of bytes that it passes over."""


class XzBlocks:
    """Takes the bytes of one stream in pieces; raises ``DecoderFieldRefusedError`` at a filter that is not LZMA2."""

    def __init__(self) -> None:
        self.chunks = 0
        """How many chunks have begun."""
        self._piece = bytearray()
        self._steps = self._stream()
        self._wanted: int | None = next(self._steps, None)

    def feed(self, data: memoryview | bytes) -> None:
        """Follow the next bytes."""
        start = 0
        while self._wanted is not None and start < len(data):
            if self._wanted < 0:
                passed = min(-self._wanted, len(data) - start)
                start += passed
                self._wanted += passed
            else:
                taken = min(self._wanted - len(self._piece), len(data) - start)
                self._piece += data[start : start + taken]
                start += taken
            if self._wanted == len(self._piece):
                self._wanted = self._next()

    def _next(self) -> int | None:
        wanted = next(self._steps, None)
        while wanted == 0:
            wanted = next(self._steps, None)
        return wanted

    def _take(self) -> bytes:
        piece = bytes(self._piece)
        self._piece.clear()
        return piece

    def _stream(self) -> _Steps:
        yield _STREAM_HEADER_BYTES
        check = _CHECK_BYTES[self._take()[_STREAM_FLAGS] & 0x0F]
        while True:
            yield 1
            size = self._take()[0]
            if size == 0:  # the index
                return
            yield 4 * size + 3
            if not _filter_is_lzma2(self._take()):
                raise DecoderFieldRefusedError("filter")
            stored = yield from _counted(self._chunks)
            yield -(-stored % 4 + check)

    def _chunks(self) -> _Steps:
        while True:
            yield 1
            control = self._take()[0]
            self.chunks += 1
            if control == _CHUNK_END:
                return
            if control in _CHUNK_STORED:
                yield 2
                yield -(int.from_bytes(self._take(), "big") + 1)
            elif control >= _CHUNK_LZMA:
                yield 4
                properties = int(control >= _CHUNK_NEW_PROPERTIES)
                yield -(int.from_bytes(self._take()[2:], "big") + 1 + properties)
            else:
                yield -(1 << 62)  # no chunk: nothing more can be followed


def _counted(run: Callable[[], _Steps]) -> Generator[int, None, int]:
    """``run``, and at its end how many bytes it wanted."""
    wanted = 0
    for step in run():
        wanted += abs(step)
        yield step
    return wanted


def _filter_is_lzma2(header: bytes) -> bool:
    """Of a block header without its size byte: whether its one filter is LZMA2."""
    flags = header[0]
    if flags & _FILTERS:
        return False
    place = 1
    for size_is_there in (flags & _COMPRESSED_SIZE, flags & _UNCOMPRESSED_SIZE):
        while size_is_there and place < len(header) and header[place] & _MORE:
            place += 1
        place += bool(size_is_there)
    return header[place : place + 1] == bytes([_LZMA2])
