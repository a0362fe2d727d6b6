"""Every bound holds, and every bound is a documented field."""

from __future__ import annotations

import ast
import gzip
import inspect
import io
import lzma
import zlib
from dataclasses import dataclass, fields, replace

import pytest

from tests.artifacts import ArtifactBuilder, Compression, PayloadFile, Script, Stage
from tests.artifacts.tarwriter import gnu_long_name
from verifier import ArtifactReader, Limits, VerificationError, errors, limits, verify

from .support import SIGNED, one_file, told, trust

MIB = 1024 * 1024
TWO_SCRIPTS = (Script(name="ArtifactInstall_Enter_00"), Script(name="ArtifactInstall_Enter_01"))


@dataclass(frozen=True, kw_only=True)
class Row:
    """``recipe`` is accepted with the field at ``enough``, and refused with it one less, or at ``short``."""

    recipe: ArtifactBuilder
    enough: int
    short: int | None = None
    error: type[VerificationError] = errors.LimitExceeded


def with_zeros(count: int) -> ArtifactBuilder:
    return replace(SIGNED, outer_end=bytes(1024 + count))


LONG_NAME = SIGNED.edited(
    Stage.MEMBERS, lambda members: [replace(members[0], before=(gnu_long_name("version"),)), *members[1:]]
)
LONG_NAMES = SIGNED.edited(
    Stage.MEMBERS,
    lambda members: [
        *(replace(member, before=(gnu_long_name(member.name),)) for member in members[:2]),
        *members[2:],
    ],
)
NESTED = replace(SIGNED, meta_data=b'{"a":[[[1]]]}')
ZEROS = replace(SIGNED, files=one_file(bytes(4 * MIB)))
PAYLOAD_TAR = replace(SIGNED, files=one_file(b"x" * 5000))

MANY_STREAMS = SIGNED.edited(Stage.PAYLOAD_STORED, lambda stored: stored + gzip.compress(b"", mtime=0) * 1520)


def in_chunks_of_one_byte(stored: bytes) -> bytes:
    """The xz payload, written again so that each LZMA2 chunk holds a byte (a byte takes four)."""
    text = lzma.decompress(stored)[: 4 * 512]
    size = len(text)
    one = lzma.compress(text, check=lzma.CHECK_NONE)
    head = one[: 12 + (one[12] + 1) * 4]
    chunks = b"".join(bytes((1 if at == 0 else 2, 0, 0, text[at])) for at in range(size)) + b"\0"
    unpadded = len(head) - 12 + len(chunks)
    index = b"\0\1" + _multibyte(unpadded) + _multibyte(size)
    index += bytes(-len(index) % 4)
    index += zlib.crc32(index).to_bytes(4, "little")
    footer = (len(index) // 4 - 1).to_bytes(4, "little") + one[6:8]
    return head + chunks + bytes(-unpadded % 4) + index + zlib.crc32(footer).to_bytes(4, "little") + footer + b"YZ"


def _multibyte(number: int) -> bytes:
    """An integer of the .xz file format (1.2)."""
    low = number & 0x7F
    return bytes([low]) if number < 0x80 else bytes([low | 0x80]) + _multibyte(number >> 7)


ONE_FILE = replace(SIGNED.compressed(Compression.XZ), files=one_file(b"x"))
MANY_CHUNKS = ONE_FILE.edited(Stage.PAYLOAD_STORED, in_chunks_of_one_byte)

ROWS: dict[str, Row] = {
    "artifact_bytes": Row(recipe=SIGNED, enough=len(SIGNED.build())),
    "version_bytes": Row(recipe=SIGNED, enough=31),
    "manifest_bytes": Row(recipe=SIGNED, enough=len(SIGNED.manifest())),
    "payload_files": Row(recipe=SIGNED, enough=2),
    "payload_entry_bytes": Row(
        recipe=replace(SIGNED, files=one_file(b"x", "n" * 90)), enough=100, error=errors.ManifestNameInvalid
    ),
    "signature_bytes": Row(recipe=SIGNED, enough=88),
    "header_compressed_bytes": Row(
        recipe=SIGNED.compressed(Compression.NONE).edited(Stage.HEADER_TAR, lambda tar: tar),
        enough=3072,
    ),
    "header_uncompressed_bytes": Row(recipe=SIGNED, enough=2048),
    "scripts": Row(recipe=replace(SIGNED, scripts=TWO_SCRIPTS), enough=2),
    "json_bytes": Row(recipe=replace(SIGNED, meta_data=b'{"a":"%s"}' % (b"x" * 1000)), enough=1008),
    "json_depth": Row(recipe=NESTED, enough=4),
    "header_text_bytes": Row(recipe=replace(SIGNED, name="έ" * 128), enough=256, error=errors.ArtifactNameInvalid),
    "file_name_bytes": Row(
        recipe=replace(SIGNED, scripts=(Script(name="ArtifactInstall_Enter_00_" + "n" * 230),)),
        enough=255,
        error=errors.ScriptNameInvalid,
    ),
    "compressed_streams": Row(recipe=MANY_STREAMS, enough=1500, short=1400),
    "tar_extension_bytes": Row(recipe=LONG_NAME, enough=8),
    "tar_extensions_total_bytes": Row(recipe=LONG_NAMES, enough=8 + 9),
    "xz_chunks": Row(recipe=MANY_CHUNKS, enough=1950, short=1900),
    "zero_padding_bytes": Row(recipe=with_zeros(9000), enough=9000),
    "payload_uncompressed_bytes": Row(recipe=PAYLOAD_TAR, enough=512 + 5120),
    "decompression_memory_bytes": Row(recipe=SIGNED.compressed(Compression.XZ), enough=16 * MIB, short=1 * MIB),
    "decompression_ratio": Row(recipe=ZEROS, enough=1100, short=100),
    "decompression_ratio_floor_bytes": Row(recipe=ZEROS, enough=5 * MIB, short=1 * MIB),
}
# What it takes besides, for the bound to be the one that counts.
TOGETHER_WITH = {
    "decompression_ratio": {"decompression_ratio_floor_bytes": MIB},
    "decompression_ratio_floor_bytes": {"decompression_ratio": 100},
}
NOT_BOUNDS = {"chunk_bytes"}


def bounded(name: str, value: int) -> Limits:
    return Limits(**{name: value, **TOGETHER_WITH.get(name, {})})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ROWS)
def test_what_is_within_the_bound_is_accepted(name: str) -> None:
    row = ROWS[name]
    evidence = verify(io.BytesIO(row.recipe.build()), trust=trust(), limits=bounded(name, row.enough))
    assert evidence.artifact_name == row.recipe.name


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("piece", [1 << 20, 1])
def test_what_exceeds_it_is_refused_by_name(name: str, piece: int) -> None:
    row = ROWS[name]
    short = row.enough - 1 if row.short is None else row.short
    if piece == 1 and row.recipe is ZEROS:
        piece = 100

    _, error = told(row.recipe.build(), piece, ArtifactReader(limits=bounded(name, short)))

    assert type(error) is row.error
    if isinstance(error, errors.LimitExceeded):
        # The floor is part of the ratio's rule, and the ratio is what is told.
        expected = ("decompression_ratio", 100) if name == "decompression_ratio_floor_bytes" else (name, short)
        assert (error.limit, error.allowed) == expected


def test_every_bound_is_tested() -> None:
    assert set(ROWS) | NOT_BOUNDS == {field.name for field in fields(Limits)}


def test_every_field_has_a_docstring() -> None:
    body = ast.parse(inspect.getsource(limits.Limits)).body[0]
    assert isinstance(body, ast.ClassDef)
    documented = {
        before.target.id
        for before, after in zip(body.body, body.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }
    assert documented == {field.name for field in fields(Limits)}


def test_an_artifact_that_ends_exactly_at_its_bound_is_accepted_in_any_pieces() -> None:
    artifact = SIGNED.build()
    for size in (1, 1000, len(artifact)):
        assert told(artifact, size, ArtifactReader(limits=Limits(artifact_bytes=len(artifact))))[1] is None


def test_the_defaults_take_what_writers_write() -> None:
    recipe = replace(SIGNED, files=tuple(PayloadFile(name=f"f{n}", content=b"x") for n in range(1000)))
    assert len(verify(io.BytesIO(recipe.build()), trust=trust()).payloads) == 1000
