"""Any one bit of a signed artifact, changed: refused, but for the bits that the format leaves unsigned.

Which those are is stated here, exactly. Nothing signs the tar framing, so a bit is free only where it leaves
the archive's members, names, types and sizes as they are:

1. in a header block, which has a checksum: the checksum's first digit, zero, may become a blank, and each of
   the two bytes that end it may be a NUL or a blank;
2. the padding after a member (reported as a finding);
3. in a gzip payload: the bit FTEXT and the fields MTIME, XFL and OS of its header; in a zstd payload without
   checksum: unused bits. Other compressed data may decompress to the same tar, or, where zstd has no checksum,
   to one that has the same files.

The header is signed as it is stored, so nothing of it is free.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import product

import pytest

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, PayloadFile, private_key, public_pem
from tests.artifacts.tarwriter import BLOCK, Field, Member, checksum
from tests.support.rows import slow_but, slow_but_every
from verifier import TrustStore, VerificationError, Verifier

from .layout import Part, Region, regions

Bit = tuple[int, int]
"""A byte's offset in the file and a bit's number in the byte."""

BITS = range(8)
BLANK_OR_NUL = 5
BLANK_OR_ZERO = 4
CHECKSUM_AT, CHECKSUM_LENGTH = Field.CHECKSUM.value
DATA = "data/0000.tar"

FTEXT = (3, 0)
GZIP_UNSIGNED_BYTES = range(4, 10)
"""MTIME (four bytes), XFL and OS, by RFC 1952."""

KEY = private_key(KeyKind.P256)
TRUST = TrustStore.from_pem(public_pem(KEY))
TINY = ArtifactBuilder(
    key=KEY,
    name="n",
    device_types=("d",),
    payload_type="t",
    files=(PayloadFile(name="f", content=b"twenty bytes of file"),),
)


def is_accepted(artifact: bytes | bytearray) -> bool:
    """Whether the verifier accepts it."""
    verifier = Verifier(trust=TRUST, payload_data=False)
    try:
        verifier.feed(artifact)
        verifier.finish()
    except VerificationError:
        return False
    return True


def accepted_bits(artifact: bytes, bits: Iterable[Bit]) -> set[Bit]:
    """Those of `bits` that can be inverted, one at a time, in an artifact that is still accepted."""
    changed = bytearray(artifact)
    accepted = set()
    for offset, bit in bits:
        changed[offset] ^= 1 << bit
        if is_accepted(changed):
            accepted.add((offset, bit))
        changed[offset] ^= 1 << bit
    return accepted


def all_regions(builder: ArtifactBuilder) -> Iterator[Region]:
    """The regions of the file; those of the payload tar too where it is not compressed."""
    for region in regions(builder.members()):
        if region.member == DATA and region.part is Part.CONTENT:
            files = [Member(name=file.name, content=file.content) for file in builder.files]
            yield from regions(files, region.start)
        else:
            yield region


def free_bits(region: Region) -> set[Bit]:
    """The bits of a region of tar framing that nothing signs and that change nothing."""
    if region.part is Part.PADDING:
        return set(product(region.offsets, BITS))
    if region.part is Part.HEADER:
        first = region.start + CHECKSUM_AT
        last = first + CHECKSUM_LENGTH - 1
        return {(first, BLANK_OR_ZERO), (last - 1, BLANK_OR_NUL), (last, BLANK_OR_NUL)}
    return set()


UNCOMPRESSED = TINY.compressed(Compression.NONE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "region", list(all_regions(UNCOMPRESSED)), ids=lambda region: f"{region.part.name.lower()} {region.member}"
)
def test_every_bit_of_an_artifact_that_is_not_compressed(region: Region) -> None:
    artifact = UNCOMPRESSED.build()

    assert accepted_bits(artifact, product(region.offsets, BITS)) == free_bits(region)


@pytest.mark.parametrize("compression", slow_but({Compression.GZIP}, [Compression.GZIP, Compression.XZ]))
@pytest.mark.parametrize("part", slow_but({Part.END}, Part))
def test_every_byte_of_the_framing_around_a_compressed_header_and_payload(compression: Compression, part: Part) -> None:
    builder = TINY.compressed(compression)
    artifact = builder.build()
    chosen = [region for region in regions(builder.members()) if region.part is part]
    bits = [(offset, offset % len(BITS)) for region in chosen for offset in region.offsets]
    if part is Part.CONTENT:
        bits = [
            bit for region in chosen if not region.member.startswith("data/") for bit in product(region.offsets, BITS)
        ]
    free = set().union(*[free_bits(region) for region in chosen])

    assert accepted_bits(artifact, bits) == free & set(bits)


def test_every_bit_of_a_gzip_payload() -> None:
    builder = TINY.compressed(Compression.GZIP)
    artifact = builder.build()
    payload = content_of_data(builder)
    stated = {(payload.start + FTEXT[0], FTEXT[1])} | set(
        product((payload.start + offset for offset in GZIP_UNSIGNED_BYTES), BITS)
    )

    accepted = accepted_bits(artifact, product(payload.offsets, BITS))

    assert stated <= accepted
    original = zlib.decompress(artifact[payload.start : payload.stop], wbits=31)
    for offset, bit in accepted - stated:
        changed = bytearray(artifact)
        changed[offset] ^= 1 << bit
        assert zlib.decompress(changed[payload.start : payload.stop], wbits=31) == original


@pytest.mark.slow
def test_every_bit_of_an_xz_payload() -> None:
    builder = TINY.compressed(Compression.XZ)
    payload = content_of_data(builder)

    assert accepted_bits(builder.build(), product(payload.offsets, BITS)) == set()


@pytest.mark.slow
def test_every_bit_of_a_zstd_payload() -> None:
    zstandard = pytest.importorskip("zstandard", reason="zstandard, of the extra fast, is not installed")
    builder = TINY.compressed(Compression.ZSTD)
    artifact = builder.build()
    payload = content_of_data(builder)
    files = {file.name: file.content for file in builder.files}

    for offset, bit in accepted_bits(artifact, product(payload.offsets, BITS)):
        changed = bytearray(artifact)
        changed[offset] ^= 1 << bit
        stored = bytes(changed[payload.start : payload.stop])
        tar = zstandard.ZstdDecompressor().stream_reader(stored).read()
        assert files_in(tar) == files


def files_in(tar: bytes) -> dict[str, bytes]:
    """The files of an archive that is known to be well-formed, read by another reader than ours."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def content_of_data(builder: ArtifactBuilder) -> Region:
    """Where the stored payload lies."""
    return next(
        region
        for region in regions(builder.members())
        if region.member.startswith("data/") and region.part is Part.CONTENT
    )


UNSIGNED_FIELDS = {
    Field.MODE, Field.UID, Field.GID, Field.MTIME, Field.UNAME, Field.GNAME, Field.DEVMAJOR, Field.DEVMINOR,
}  # fmt: skip
"""What a header block may say without anybody having signed it."""
AFTER_ITS_END = {Field.NAME: len("version"), Field.LINK: 1, Field.PREFIX: 1}
"""Fields that end at their first NUL: from this byte on, what follows means nothing."""
SAME_SIZE = {(0, BLANK_OR_ZERO), (Field.SIZE.value[1] - 1, BLANK_OR_NUL)}
"""The size's first digit, zero, may be a blank, and so may the NUL that ends it."""


@pytest.mark.parametrize(
    "field", slow_but_every(4, [field for field in Field if field is not Field.CHECKSUM]), ids=lambda field: field.name
)
def test_a_header_block_with_one_bit_changed_and_a_right_checksum(field: Field) -> None:
    artifact = UNCOMPRESSED.build()
    offset, length = field.value
    accepted = {
        (index, bit)
        for index, bit in product(range(length), BITS)
        if is_accepted(resealed(artifact, offset + index, bit) + artifact[BLOCK:])
    }

    if field in UNSIGNED_FIELDS:
        assert accepted
    elif field in AFTER_ITS_END:
        assert accepted == set(product(range(AFTER_ITS_END[field] + (field is Field.NAME), length), BITS))
    else:
        assert accepted == (SAME_SIZE if field is Field.SIZE else set())


def resealed(artifact: bytes, offset: int, bit: int) -> bytes:
    """The artifact's first header block with one bit inverted and its checksum made right."""
    block = bytearray(artifact[:BLOCK])
    block[offset] ^= 1 << bit
    block[CHECKSUM_AT : CHECKSUM_AT + CHECKSUM_LENGTH] = f"{checksum(block):06o}\0 ".encode()
    return bytes(block)


def test_the_layout_is_the_file() -> None:
    """The regions that the tests above walk through cover the file, once."""
    walked = [offset for region in all_regions(UNCOMPRESSED) for offset in region.offsets]

    assert walked == list(range(len(UNCOMPRESSED.build())))
