"""Artifacts that nobody thought of: correct ones of many kinds, changed at random at one stage and then signed.

The stages after the changed one are done as ever, so digests and signature are right, and the change is met where it
is: in a document, in a tar block, in the stream of a compression, in the order of bytes outside.
"""

from __future__ import annotations

import functools
import gzip
import lzma
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, Script, Stage, private_key
from tests.artifacts.corpus.second_archives import EXTENSIONS, MAGICS, OTHER, PLACES, begun, gzip_polyglot
from tests.artifacts.streams import DELTA, LZMA2, X86, gzip_member, xz_stream
from tests.artifacts.tarwriter import BLOCK, Field, checksum
from tests.fuzz.mutate import mutated

KINDS = (KeyKind.P256, KeyKind.P256, KeyKind.RSA_3072)
COMPRESSIONS = (Compression.NONE, Compression.GZIP, Compression.XZ)
"""Those that Debian's mender-artifact has."""
WORDS = (
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"0", b"-1", b"1.5", b'""', b" ", b"\n", b"\t", b"\r",
    b"\\u0041", b"\\ud800", b"\\n", b"\0", b"\x7f", b"\xc3\xa9", b"\xff", b"1e5", b"12345678901234567890123", b"type",
    b"artifact_provides", b"x", b"rootfs-image", b'"a":"b",', b"  ", b"0000", b".", b"_", b"-", b"/", b"A", b"=",
    b'"device_type":"d",', b'"artifact_name":"n",', b'"A":"b",',
)  # fmt: skip
LENGTHS = (0, 1, 511, 512, 600)
FILTERS = ((LZMA2,), (LZMA2,), (LZMA2,), (X86, LZMA2), (DELTA, LZMA2))
CHECKS = (lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256)
TAILS = (b"", b"", b"", bytes(4), bytes(512), b"x", bytes(4) + b"x")

Change = Callable[[random.Random, bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """An artifact, and the key that signed it."""

    artifact: bytes
    key: KeyKind


def mutant(rng: random.Random, compressions: tuple[Compression, ...] = COMPRESSIONS) -> Mutant:
    """A correct artifact but for one stage."""
    kind, compression = rng.choice(KINDS), rng.choice(compressions)
    recipe = with_extensions(rng, replace(RECIPE, key=private_key(kind)).compressed(compression))
    stage, change = rng.choice(CHANGES + CONTAINER_CHANGES[compression])
    # A stage may be asked for more than once; it must answer the same.
    edit = functools.cache(functools.partial(change, rng))
    return Mutant(artifact=recipe.edited(stage, edit).build(), key=kind)


def with_extensions(rng: random.Random, recipe: ArtifactBuilder) -> ArtifactBuilder:
    """Perhaps a name by an extension at the start of one of the three archives, and in that perhaps another archive."""
    if rng.random() < 0.5:
        return recipe
    place, extension = rng.choice(list(PLACES)), rng.choice(list(EXTENSIONS.values()))
    how = rng.random()
    if how < 0.6:
        return PLACES[place](place, recipe, extension)
    if how < 0.8:
        magic = rng.choice(list(MAGICS.values()))
        return PLACES[place](place, recipe, lambda name: begun(extension(name), magic))
    return PLACES[place](place, recipe, lambda name: gzip_polyglot(name, OTHER))


def words_inserted(rng: random.Random, text: bytes) -> bytes:
    """One or two words put somewhere, or something else changed."""
    if rng.random() < 0.3:
        return mutated(text, text, rng)
    for _ in range(rng.randint(1, 2)):
        at, word = rng.randrange(len(text) + 1), rng.choice(WORDS)
        text = text[:at] + word + text[at + rng.choice((0, 0, len(word))) :]
    return text


def header_field_changed(rng: random.Random, tar: bytes) -> bytes:
    """A byte of a field of one header block, mostly with the block's checksum made right."""
    changed = bytearray(tar)
    blocks = [at for at in range(0, len(tar), BLOCK) if tar[at + 257 : at + 262] == b"ustar"]
    at, field = rng.choice(blocks), rng.choice(list(Field))
    offset, length = field.value
    changed[at + offset + rng.randrange(length)] = rng.choice(b" \x000179\x80\xff-x/")
    if rng.random() < 0.9:
        offset, length = Field.CHECKSUM.value
        changed[at + offset : at + offset + length] = f"{checksum(changed[at : at + BLOCK]):06o}\0 ".encode()
    return bytes(changed)


def gzip_written_otherwise(rng: random.Random, stored: bytes) -> bytes:
    """The same contents in one to three members, each with fields that writers may set; perhaps something after."""

    def text() -> bytes | None:
        return b"n" * rng.choice(LENGTHS) if rng.random() < 0.2 else None

    members = (
        gzip_member(part, name=text(), comment=text(), extra=text(), header_checksum=rng.random() < 0.2)
        for part in _parts(rng, gzip.decompress(stored))
    )
    return b"".join(members) + rng.choice(TAILS)


def xz_written_otherwise(rng: random.Random, stored: bytes) -> bytes:
    """The same contents with another check, or in one to three blocks with filters; perhaps something after."""
    content = lzma.decompress(stored)
    if rng.random() < 0.4:
        return lzma.compress(content, check=rng.choice(CHECKS), preset=rng.randrange(10)) + rng.choice(TAILS)
    parts = _parts(rng, content)
    return xz_stream(*parts, filters=tuple(rng.choice(FILTERS) for _ in parts)) + rng.choice(TAILS)


def zstd_written_otherwise(rng: random.Random, stored: bytes) -> bytes:
    """The same contents in one to three frames with optional fields, perhaps one to skip; perhaps something after."""
    import zstandard

    content = zstandard.ZstdDecompressor().decompressobj().decompress(stored)
    frames = []
    for part in _parts(rng, content):
        compressor = zstandard.ZstdCompressor(
            level=rng.randrange(1, 20), write_checksum=rng.random() < 0.5, write_content_size=rng.random() < 0.5
        )
        frames.append(compressor.compress(part))
        if rng.random() < 0.1:
            frames.append(b"\x50\x2a\x4d\x18" + bytes(4))
    return b"".join(frames) + rng.choice(TAILS)


def _parts(rng: random.Random, content: bytes) -> list[bytes]:
    cuts = sorted(rng.randrange(len(content)) for _ in range(rng.randrange(3)))
    return [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]


CHANGES: tuple[tuple[Stage, Change], ...] = (
    (Stage.VERSION, words_inserted),
    (Stage.HEADER_INFO_JSON, words_inserted),
    (Stage.TYPE_INFO_JSON, words_inserted),
    (Stage.MANIFEST, words_inserted),
    (Stage.SIGNATURE, words_inserted),
    (Stage.HEADER_TAR, header_field_changed),
    (Stage.PAYLOAD_TAR, header_field_changed),
    (Stage.ARTIFACT, header_field_changed),
    (Stage.PAYLOAD_STORED, words_inserted),
)
CONTAINER_CHANGES: dict[Compression, tuple[tuple[Stage, Change], ...]] = {
    Compression.NONE: (),
    Compression.GZIP: 2
    * ((Stage.HEADER_STORED, gzip_written_otherwise), (Stage.PAYLOAD_STORED, gzip_written_otherwise)),
    Compression.ZSTD: 2
    * ((Stage.HEADER_STORED, zstd_written_otherwise), (Stage.PAYLOAD_STORED, zstd_written_otherwise)),
    Compression.XZ: 2 * ((Stage.HEADER_STORED, xz_written_otherwise), (Stage.PAYLOAD_STORED, xz_written_otherwise)),
}
RECIPE = ArtifactBuilder(
    scripts=(Script(name="ArtifactReboot_Enter_00_x"),), meta_data=b'{"a":{"b":[1,2.5,null,"x"]}}'
).edited(Stage.TYPE_INFO, lambda info: {**info, "artifact_depends": {"rootfs-image.version": "1"}})
