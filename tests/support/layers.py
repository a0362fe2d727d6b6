"""The layers of an artifact one by one, as the reader is built from them; each raises only ``VerificationError``."""

from __future__ import annotations

from collections.abc import Callable

from tests.artifacts import hostile
from verifier import Compression, Limits, Manifest
from verifier._inflate import Inflater
from verifier._json import parse_object
from verifier._tar import TarReader

Layer = Callable[[bytes, Limits], object]


def json(data: bytes, limits: Limits) -> object:
    """One document."""
    return parse_object(data, document="document", limits=limits)


def tar(data: bytes, limits: Limits) -> object:
    """One archive; the number of its items."""
    reader = TarReader(part="data/0000.tar", limits=limits)
    items = sum(1 for _ in reader.feed(memoryview(data)))
    reader.finish()
    return items


def manifest(data: bytes, limits: Limits) -> object:
    """A manifest."""
    return Manifest.parse(data, limits=limits)


def container(compression: Compression) -> Layer:
    """One compressed member; how many bytes come of it."""

    def inflate(data: bytes, limits: Limits) -> object:
        inflater = Inflater(member="data/0000.tar", compression=compression, limits=limits)
        step = limits.chunk_bytes
        length = 0
        for start in range(0, len(data), step):
            length += sum(map(len, inflater.feed(memoryview(data)[start : start + step])))
        return length + sum(map(len, inflater.finish()))

    return inflate


LAYERS: dict[str, tuple[Layer, dict[str, hostile.Make]]] = {
    "JSON": (json, hostile.JSON),
    "tar": (tar, hostile.TAR),
    "manifest": (manifest, hostile.MANIFEST),
    "gzip": (container(Compression.GZIP), hostile.GZIP),
    "xz": (container(Compression.XZ), hostile.XZ),
    "zstd": (container(Compression.ZSTD), hostile.ZSTD),
}
"""Each layer, and the dearest inputs for it that are known."""
