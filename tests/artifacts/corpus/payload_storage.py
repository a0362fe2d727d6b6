"""How the payload is stored: the suffix says the compression, one whole stream, nothing after it."""

from __future__ import annotations

import gzip
import lzma
from dataclasses import replace
from typing import Any

from tests.artifacts.breaks import append, changed, constant, cut, flip, gzipped
from tests.artifacts.builder import ArtifactBuilder, Edit, Stage
from tests.artifacts.compression import Compression, compress, compress_in_two
from tests.artifacts.streams import DELTA, LZMA2, X86, gzip_member, xz_stream

from .case import Case, Go, accepted, lax, refused, signed
from .reasons import COMPRESSED_TAIL, LZMA, STREAMS, UNBOUNDED, XZ_FILTER, ZSTD

BOMB = bytes(40 << 20)
"""More than the zeros that may follow an archive; gzip stores them in 40 KB, xz in 6 KB."""


def tar(edit: Edit, compression: Compression = Compression.GZIP) -> ArtifactBuilder:
    """The usual artifact with the bytes of its payload tar changed."""
    return signed().compressed(compression).edited(Stage.PAYLOAD_TAR, edit)


def stored(edit: Edit, compression: Compression = Compression.GZIP) -> ArtifactBuilder:
    """The usual artifact with the compressed payload changed."""
    return signed().compressed(compression).edited(Stage.PAYLOAD_STORED, edit)


def named(compression: Compression, stored_as: Compression) -> ArtifactBuilder:
    """The usual artifact whose payload's suffix says one compression and whose content is another."""
    recompress = lambda text: compress(text, stored_as)  # noqa: E731
    plain = replace(signed(), payload_compression=Compression.NONE).edited(Stage.PAYLOAD_STORED, recompress)
    return plain.edited(Stage.MEMBERS, changed("data/0000", name="data/0000.tar" + compression.value))


def _in_two_members(stored_gzip: bytes) -> bytes:
    return compress_in_two(gzip.decompress(stored_gzip), Compression.GZIP)


def _gzip(**fields: Any) -> Edit:
    return lambda stored_gzip: gzip_member(gzip.decompress(stored_gzip), **fields)


def _xz(*filters: tuple[dict[str, Any], ...]) -> Edit:
    """The payload as xz in two blocks, each with these filters."""

    def edit(stored_xz: bytes) -> bytes:
        text = lzma.decompress(stored_xz)
        return xz_stream(text[:1024], text[1024:], filters=filters)

    return edit


CASES: tuple[Case, ...] = (
    accepted("nothing is compressed", signed().compressed(Compression.NONE)),
    accepted("header and payload are xz", signed().compressed(Compression.XZ)),
    accepted(
        "header and payload are zstd",
        signed().compressed(Compression.ZSTD),
        "zstd-clients",
        go=Go.REFUSE,
        why=ZSTD,
    ),
    accepted(
        "the payload alone is zstd",
        replace(signed(), payload_compression=Compression.ZSTD),
        "zstd-clients",
        go=Go.REFUSE,
        why=ZSTD,
    ),
    accepted(
        "the xz dictionary has 64 MiB",
        replace(signed(), payload_compression=Compression.NONE)
        .edited(Stage.PAYLOAD_STORED, lambda text: lzma.compress(text, preset=9))
        .edited(Stage.MEMBERS, changed("data/0000", name="data/0000.tar.xz")),
    ),
    accepted(
        "the payload is a gzip of two members",
        stored(_in_two_members),
    ),
    lax(
        "the payload is an xz of two streams",
        stored(lambda text: compress_in_two(lzma.decompress(text), Compression.XZ), Compression.XZ),
        "compressed-trailing-data",
        STREAMS,
    ),
    accepted(
        "the gzip names its file and time",
        stored(lambda text: gzip.compress(gzip.decompress(text), mtime=1_700_000_000)),
    ),
    accepted(
        "another compressor made the payload than the manifest's author",
        stored(lambda text: gzip.compress(gzip.decompress(text), 1, mtime=0)),
    ),
    *(
        refused(
            f"the payload is {actual.name.lower()} but named {suffix.name.lower()}",
            named(suffix, actual),
            "compression-mismatch",
        )
        for suffix in Compression
        for actual in Compression
        if suffix is not actual
    ),
    lax(
        "the payload is .lzma but called .xz",
        replace(signed(), payload_compression=Compression.NONE)
        .edited(Stage.PAYLOAD_STORED, lambda text: lzma.compress(text, lzma.FORMAT_ALONE))
        .edited(Stage.MEMBERS, changed("data/0000", name="data/0000.tar.xz")),
        "compression-mismatch",
        LZMA,
    ),
    refused("the payload is gzipped twice", stored(gzipped), "truncated"),
    lax("the payload's gzip is cut", stored(cut(6)), "truncated", COMPRESSED_TAIL),
    lax("the payload's xz is cut", stored(cut(6), Compression.XZ), "truncated", COMPRESSED_TAIL),
    refused("the payload's zstd is cut", stored(cut(6), Compression.ZSTD), "truncated"),
    lax("the payload's gzip has a wrong checksum", stored(flip(-8)), "compression-corrupt", COMPRESSED_TAIL),
    lax("the payload's gzip has a wrong length", stored(flip(-1)), "compression-corrupt", COMPRESSED_TAIL),
    lax(
        "the payload's xz has a wrong footer",
        stored(flip(-1), Compression.XZ),
        "compression-corrupt",
        COMPRESSED_TAIL,
    ),
    lax(
        "garbage follows the payload's gzip",
        stored(append(b"garbage!")),
        "compressed-trailing-data",
        COMPRESSED_TAIL,
    ),
    lax(
        "garbage follows the payload's xz",
        stored(append(b"garbage!"), Compression.XZ),
        "compressed-trailing-data",
        COMPRESSED_TAIL,
    ),
    accepted("zeros follow the payload's gzip", stored(append(bytes(8)))),
    lax(
        "zeros and then a byte follow the payload's gzip",
        stored(append(bytes(8) + b"x")),
        "compressed-trailing-data",
        COMPRESSED_TAIL,
    ),
    accepted("the gzip has a name of 511 bytes", stored(_gzip(name=b"n" * 511))),
    accepted("the gzip has a comment of 511 bytes", stored(_gzip(comment=b"n" * 511))),
    accepted("the gzip has an extra field of 64 KiB", stored(_gzip(extra=bytes(0xFFFF)))),
    *(
        Case(name=f"the gzip has {what}", recipe=stored(edit), code="compression-field-refused", go=Go.REFUSE)
        for what, edit in {
            "a name of 512 bytes": _gzip(name=b"n" * 512),
            "a comment of 512 bytes": _gzip(comment=b"n" * 512),
            "a name without an end": lambda text: _gzip(name=b"n" * 90_000)(text)[:80_000],
            "a header checksum and a name": _gzip(name=b"n", header_checksum=True),
            "a header checksum and a comment": _gzip(comment=b"n", header_checksum=True),
            "a header checksum and an extra field": _gzip(extra=b"AB\1\0x", header_checksum=True),
        }.items()
    ),
    accepted("the gzip has a header checksum alone", stored(_gzip(header_checksum=True))),
    refused(
        "the second member of the gzip has a name of 512 bytes",
        stored(
            lambda text: (
                gzip_member(gzip.decompress(text)[:1024]) + gzip_member(gzip.decompress(text)[1024:], name=b"n" * 512)
            )
        ),
        "compression-field-refused",
    ),
    accepted("the xz has blocks of LZMA2", stored(_xz((LZMA2,), (LZMA2,)), Compression.XZ)),
    *(
        lax(f"the xz has {what}", stored(edit, Compression.XZ), "compression-field-refused", XZ_FILTER)
        for what, edit in {
            "a block with an x86 filter": _xz((X86, LZMA2), (LZMA2,)),
            "a second block with an x86 filter": _xz((LZMA2,), (X86, LZMA2)),
            "a second block with a delta filter": _xz((LZMA2,), (DELTA, LZMA2)),
        }.items()
    ),
    refused("an empty payload is called .gz", stored(constant(b"")), "truncated"),
    lax(
        "forty mebibytes of zeros follow the payload tar (gzip)",
        tar(append(BOMB)),
        "limit-exceeded",
        UNBOUNDED,
    ),
    lax(
        "forty mebibytes of zeros follow the payload tar (xz)",
        tar(append(BOMB), Compression.XZ),
        "limit-exceeded",
        UNBOUNDED,
    ),
)
