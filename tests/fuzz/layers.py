"""Layers for themselves: what lies behind a digest or in a compressed stream is reached by every changed byte.

Whatever a layer accepts, another reader of the same layer must read to the same end.
"""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable, Iterator
from contextlib import suppress

from tests.artifacts import ArtifactBuilder, Compression
from tests.artifacts.compression import compress
from tests.artifacts.tarwriter import tar_bytes
from tests.support.layers import LAYERS
from verifier import Limits, VerificationError

NAMES = tuple(LAYERS)
HOSTILE_BYTES = 30_000
"""So many that what is quadratic is over the budget."""

_ARTIFACT = ArtifactBuilder()
_TAR = tar_bytes(_ARTIFACT.members())
_JSON = b'{"type":"x","artifact_provides":{"a":"\\u00e9","b":[1,2.5e1,{"c":null}]},"\xc3\xa9":true}'
HONEST = {
    "JSON": _JSON,
    "tar": _TAR,
    "manifest": _ARTIFACT.manifest(),
    "gzip": compress(_TAR, Compression.GZIP),
    "xz": compress(_TAR, Compression.XZ),
    "zstd": compress(_TAR, Compression.ZSTD),
}


def seeds() -> Iterator[tuple[str, bytes]]:
    """For each layer an honest input, and the dearest that are known."""
    for name in NAMES:
        yield name, HONEST[name]
        for make in LAYERS[name][1].values():
            yield name, make(HOSTILE_BYTES)


class ReadDifferently(AssertionError):
    """Two readers of a layer read the same bytes to different ends."""


def check(name: str, data: bytes, limits: Limits) -> None:
    """Run one input. Whatever this raises is a defect of the verifier."""
    with suppress(VerificationError):
        found = LAYERS[name][0](data, limits)
        if name in _OTHERS and _OTHERS[name](data) != found:
            raise ReadDifferently(f"{name} is read differently")


_OTHERS: dict[str, Callable[[bytes], object]] = {
    "JSON": json.loads,
    "gzip": lambda data: len(gzip.decompress(data)),
    "xz": lambda data: len(lzma.decompress(data)),
}
