"""Small shared things of these tests: artifacts, keys, and ways to feed a reader."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

from tests.artifacts import ArtifactBuilder, KeyKind, PayloadFile, private_key, public_pem
from verifier import ArtifactReader, Event, PayloadData, TrustStore, VerificationError

P256 = private_key(KeyKind.P256)
SIGNED = ArtifactBuilder(key=P256)
UNSIGNED = ArtifactBuilder()


def trust(*kinds: KeyKind) -> TrustStore:
    """The public halves of test keys; by default of the one that ``SIGNED`` is signed with."""
    return TrustStore.from_pem(*(public_pem(private_key(kind)) for kind in kinds or (KeyKind.P256,)))


def one_file(content: bytes, name: str = "image.bin") -> tuple[PayloadFile, ...]:
    """The payload files of an artifact with a single one."""
    return (PayloadFile(name=name, content=content),)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """``data`` in pieces of ``size`` bytes."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def told(data: bytes, size: int, reader: ArtifactReader) -> tuple[list[Event], VerificationError | None]:
    """All events that come of ``data`` fed in pieces of ``size`` bytes, payload data joined; and the error."""
    events: list[Event] = []
    try:
        for piece in pieces(data, size):
            events += reader.feed(piece)
        events += reader.finish()
    except VerificationError as error:
        return joined(events), error
    return joined(events), None


def joined(events: list[Event]) -> list[Event]:
    """``events`` with adjacent payload data of one file in one event."""
    result: list[Event] = []
    for event in events:
        last = result[-1] if result else None
        if isinstance(event, PayloadData) and isinstance(last, PayloadData) and last.name == event.name:
            result[-1] = PayloadData(name=event.name, data=memoryview(bytes(last.data) + bytes(event.data)))
        else:
            result.append(event)
    return result


class Pipe(io.RawIOBase):
    """A stream that can only be read forward; every other way of using it fails the test."""

    def __init__(self, data: bytes, *, most: int = 1 << 20) -> None:
        self._source = io.BytesIO(data)
        self._most = most
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        assert size > 0, "the whole stream was asked for at once"
        chunk = self._source.read(min(size, self._most))
        self.bytes_read += len(chunk)
        return chunk

    def seek(self, *_: object) -> int:
        raise AssertionError("seek() was called")

    def tell(self) -> int:
        raise AssertionError("tell() was called")


class Watched:
    """A stream that tells ``before_read`` how many bytes it has given out, each time it is asked for more."""

    def __init__(self, data: bytes, before_read: Callable[[int], None], *, chunk: int) -> None:
        self._source = io.BytesIO(data)
        self._before_read = before_read
        self._chunk = chunk

    def read(self, size: int, /) -> bytes:
        self._before_read(self._source.tell())
        return self._source.read(min(size, self._chunk))
