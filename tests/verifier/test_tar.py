"""The tar reader by itself: flavours, sizes, offsets, and what it refuses.

The corpus judges whole artifacts; these rows look at what the reader makes of one archive.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.artifacts.tarwriter import (
    END_OF_ARCHIVE,
    Blob,
    Field,
    Flavour,
    gnu_long_name,
    gnu_number,
    header_bytes,
    pax_header,
    tar_bytes,
    zeros,
)
from tests.artifacts.tarwriter import Member as Written
from verifier import Limits, VerificationError
from verifier._tar import ArchiveEnd, MemberEnd, TarReader
from verifier._tar_member import Member

GIB = 1024**3


@dataclass
class Read:
    """What came out of an archive."""

    members: list[Member] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    ends: list[bool] = field(default_factory=list)
    archive_ended: bool = False


def read(archive: bytes, *, piece: int | None = None, limits: Limits | None = None) -> Read:
    reader = TarReader(part="archive", limits=limits or Limits())
    result = Read()
    size = piece or max(len(archive), 1)
    for start in range(0, len(archive), size):
        for item in reader.feed(memoryview(archive[start : start + size])):
            match item:
                case Member():
                    result.members.append(item)
                    result.contents.append(b"")
                case MemberEnd():
                    result.ends.append(item.padded_with_zeros)
                case ArchiveEnd():
                    result.archive_ended = True
                case _:
                    result.contents[-1] += bytes(item)
    reader.finish()
    return result


LONG = "n" * 150

ACCEPTED = {
    "ustar": (Written(name="file", content=b"x"), "file"),
    "ustar with a prefix": (
        Written(name="file", content=b"x", fields={Field.PREFIX: b"directory"}),
        "directory/file",
    ),
    "a name of exactly 100 characters": (Written(name="n" * 100, content=b"x"), "n" * 100),
    "v7": (Written(name="file", content=b"x", flavour=Flavour.V7), "file"),
    "v7 with type NUL": (Written(name="file", content=b"x", flavour=Flavour.V7, kind=b"\0"), "file"),
    "GNU": (Written(name="file", content=b"x", flavour=Flavour.GNU), "file"),
    "GNU with a long name": (
        Written(name="short", content=b"x", flavour=Flavour.GNU, before=(gnu_long_name(LONG),)),
        LONG,
    ),
    "GNU with its size in base 256": (
        Written(name="file", content=b"x", flavour=Flavour.GNU, fields={Field.SIZE: gnu_number(1, 12)}),
        "file",
    ),
    "PAX with a path": (Written(name="short", content=b"x", records={"path": LONG}), LONG),
    "PAX with times and owners": (
        Written(name="file", content=b"x", records={"mtime": "-1.5", "uid": "70000", "uname": "root"}),
        "file",
    ),
    "PAX with an extended attribute": (
        Written(name="file", content=b"x", records={"SCHILY.xattr.user.key": "value"}),
        "file",
    ),
    "PAX with its size": (
        Written(name="file", content=b"x", records={"size": "1"}, fields={Field.SIZE: b"00000000000\0"}),
        "file",
    ),
    "a number with blanks before and after it": (
        Written(name="file", content=b"x", fields={Field.SIZE: b"      1     "}),
        "file",
    ),
}


@pytest.mark.parametrize("sentence", ACCEPTED)
def test_a_member_is_read(sentence: str) -> None:
    written, name = ACCEPTED[sentence]

    result = read(tar_bytes([written]))

    assert [member.name for member in result.members] == [name]
    assert result.contents == [b"x"]
    assert result.archive_ended


def test_a_checksum_of_signed_characters_is_read() -> None:
    block = bytearray(header_bytes(Written(name="file", fields={Field.UNAME: "fü".encode()})))
    block[148:156] = b" " * 8
    signed = sum(byte - 256 if byte > 127 else byte for byte in block)
    block[148:156] = f"{signed:06o}\0 ".encode()

    assert [member.name for member in read(bytes(block) + END_OF_ARCHIVE).members] == ["file"]


@pytest.mark.parametrize("sentence", ACCEPTED)
def test_byte_by_byte_is_the_same_as_at_once(sentence: str) -> None:
    archive = tar_bytes([ACCEPTED[sentence][0], Written(name="last", content=b"y" * 513)])
    assert read(archive, piece=1) == read(archive) == read(archive, piece=511)


REFUSED = {
    "nothing": (b"", "truncated"),
    "half a header": (header_bytes(Written(name="file"))[:256], "truncated"),
    "no content": (header_bytes(Written(name="file", content=b"x")), "truncated"),
    "no end": (tar_bytes([Written(name="file", content=b"x")], end=b""), "truncated"),
    "one zero block at the end": (tar_bytes([Written(name="file")], end=bytes(512)), "truncated"),
    "a zero block, then a member": (
        tar_bytes([Written(name="a")], end=bytes(512)) + tar_bytes([Written(name="b")]),
        "tar-end-incomplete",
    ),
    "a byte after the end": (tar_bytes([Written(name="file")]) + b"\0\0x", "tar-trailing-data"),
    "a member after the end": (tar_bytes([]) + tar_bytes([Written(name="b")]), "tar-trailing-data"),
    "a wrong checksum": (
        tar_bytes([Written(name="file", fields={Field.CHECKSUM: b"000000\0 "})]),
        "tar-checksum-invalid",
    ),
    "a checksum that is no number": (
        tar_bytes([Written(name="file", fields={Field.CHECKSUM: b"00x000\0 "})]),
        "tar-checksum-invalid",
    ),
    "an unknown magic": (tar_bytes([Written(name="file", fields={Field.MAGIC: b"ustar\0xx"})]), "tar-field-invalid"),
    "a star header's mark": (
        tar_bytes([Written(name="file", fields={Field.UNUSED: bytes(8) + b"tar\0"})]),
        "tar-field-invalid",
    ),
    "GNU times, which old tars used for a prefix": (
        tar_bytes([Written(name="file", flavour=Flavour.GNU, fields={Field.PREFIX: b"directory"})]),
        "tar-field-invalid",
    ),
    "a negative size": (
        tar_bytes([Written(name="file", fields={Field.SIZE: gnu_number(-1, 12)})]),
        "tar-field-invalid",
    ),
    "a size with a sign": (
        tar_bytes([Written(name="file", fields={Field.SIZE: b"-0000000001\0"})]),
        "tar-field-invalid",
    ),
    "a size with an eight": (
        tar_bytes([Written(name="file", fields={Field.SIZE: b"00000000008\0"})]),
        "tar-field-invalid",
    ),
    "a size with a second number": (
        tar_bytes([Written(name="file", fields={Field.SIZE: b"1\0" + b"777777777\0"})]),
        "tar-field-invalid",
    ),
    "a mode that is no number": (
        tar_bytes([Written(name="file", fields={Field.MODE: b"rwxr-xr\0"})]),
        "tar-field-invalid",
    ),
    "a device number that is none": (
        tar_bytes([Written(name="file", fields={Field.DEVMINOR: b"x\0"})]),
        "tar-field-invalid",
    ),
    "a link name on a regular file": (tar_bytes([Written(name="file", link="/etc/passwd")]), "tar-field-invalid"),
    "a directory": (tar_bytes([Written(name="d/", kind=b"5")]), "member-not-regular"),
    "a symbolic link": (tar_bytes([Written(name="l", kind=b"2", link="x")]), "member-not-regular"),
    "a hard link": (tar_bytes([Written(name="l", kind=b"1", link="x")]), "member-not-regular"),
    "a sparse file": (tar_bytes([Written(name="s", kind=b"S", flavour=Flavour.GNU)]), "member-not-regular"),
    "a contiguous file": (tar_bytes([Written(name="c", kind=b"7")]), "member-not-regular"),
    "an unknown type": (tar_bytes([Written(name="u", kind=b"Z")]), "member-not-regular"),
    "a GNU long link name": (tar_bytes([Written(name="k", kind=b"K", content=b"x\0")]), "member-not-regular"),
    "a global header": (tar_bytes([pax_header({"comment": "x"}, kind=b"g")]), "pax-global-header"),
    "an extension and then the end": (tar_bytes([pax_header({"path": "x"})]), "tar-extension-invalid"),
    "two extensions of one kind": (
        tar_bytes([pax_header({"path": "x"}), pax_header({"path": "y"}), Written(name="file")]),
        "tar-extension-invalid",
    ),
    "extensions of two kinds": (
        tar_bytes([pax_header({"path": "x"}), gnu_long_name("y"), Written(name="file")]),
        "tar-extension-invalid",
    ),
    "an empty long name": (tar_bytes([gnu_long_name(""), Written(name="file")]), "tar-extension-invalid"),
    "an empty path": (tar_bytes([Written(name="file", records={"path": ""})]), "pax-record-invalid"),
    "a path that is not ASCII": (tar_bytes([Written(name="file", records={"path": "ü"})]), "pax-record-invalid"),
    "an owner that is not ASCII": (tar_bytes([Written(name="file", records={"uname": "jörg"})]), "pax-record-invalid"),
    "a size over 63 bits": (
        tar_bytes([Written(name="file", records={"size": str(1 << 63)})]),
        "pax-record-invalid",
    ),
    "a time over 63 bits": (
        tar_bytes([Written(name="file", records={"mtime": "9999999999999999999"})]),
        "pax-record-invalid",
    ),
    "an attribute with a NUL in its name": (
        tar_bytes([Written(name="file", records={"SCHILY.xattr.a\0": "x"})]),
        "pax-record-invalid",
    ),
    "a record twice": (
        tar_bytes([Written(name="file", before=(Written(name="x", kind=b"x", content=b"11 uid=100\n" * 2),))]),
        "pax-record-invalid",
    ),
    "a record whose length is wrong": (
        tar_bytes([Written(name="file", before=(Written(name="x", kind=b"x", content=b"12 uid=100\n"),))]),
        "pax-record-invalid",
    ),
    "a link path": (tar_bytes([Written(name="file", records={"linkpath": "x"})]), "pax-record-unsupported"),
    "a sparse file's map": (
        tar_bytes([Written(name="file", records={"GNU.sparse.major": "1"})]),
        "pax-record-unsupported",
    ),
    "a real size": (tar_bytes([Written(name="file", records={"SCHILY.realsize": "9"})]), "pax-record-unsupported"),
    "a character set": (tar_bytes([Written(name="file", records={"hdrcharset": "BINARY"})]), "pax-record-unsupported"),
}


@pytest.mark.parametrize("sentence", REFUSED)
@pytest.mark.parametrize("piece", [None, 1], ids=["at once", "byte by byte"])
def test_an_archive_is_refused(sentence: str, piece: int | None) -> None:
    archive, code = REFUSED[sentence]

    with pytest.raises(VerificationError) as refusal:
        read(archive, piece=piece)

    assert refusal.value.code == code, str(refusal.value)


HUGE = {
    "PAX, 8 GiB": Written(name="huge", content=zeros(8 * GIB), flavour=Flavour.PAX),
    "GNU, 8 GiB": Written(name="huge", content=zeros(8 * GIB), flavour=Flavour.GNU),
    "PAX, 1 TiB": Written(name="huge", content=Blob(size=1024 * GIB, chunks=lambda: iter(())), flavour=Flavour.PAX),
    "ustar, one byte less than 8 GiB": Written(name="huge", content=zeros(8 * GIB - 1)),
}


@pytest.mark.parametrize("sentence", HUGE)
def test_a_size_over_eight_gibibytes_is_read_from_the_header_alone(sentence: str) -> None:
    written = HUGE[sentence]
    header = header_bytes(written)

    member, *_ = TarReader(part="archive", limits=Limits()).feed(memoryview(header))

    assert isinstance(member, Member)
    assert isinstance(written.content, Blob)
    assert member.size == written.content.size
    assert member.data_offset == len(header)
    assert member.end_offset == len(header) + -(-member.size // 512) * 512


def test_offsets_count_extensions_and_padding() -> None:
    archive = tar_bytes([Written(name="a", content=b"x" * 600), Written(name="b", records={"path": LONG})])

    first, second = read(archive).members

    assert (first.start_offset, first.data_offset, first.end_offset) == (0, 512, 512 + 1024)
    assert (second.start_offset, second.data_offset) == (1536, 1536 + 3 * 512)


def test_what_is_in_the_padding_is_told() -> None:
    archive = tar_bytes([Written(name="a", content=b"x"), Written(name="b", content=b"y", padding=b"\0\1")])
    assert read(archive).ends == [True, False]


def test_zeros_after_the_end_are_fine_in_any_number() -> None:
    assert read(tar_bytes([Written(name="a")]) + bytes(10240 + 7)).archive_ended


def test_a_missing_end_is_told_with_its_place() -> None:
    with pytest.raises(VerificationError) as refusal:
        read(tar_bytes([Written(name="a", content=b"x")], end=b"") + b"\0\0\0")
    assert refusal.value.facts == {"part": "archive", "offset": 1024 + 3}


@pytest.mark.parametrize("piece", [None, 1, 100])
def test_the_place_of_trailing_data_does_not_depend_on_pieces(piece: int | None) -> None:
    archive = tar_bytes([Written(name="a")]) + bytes(700) + b"x"
    with pytest.raises(VerificationError) as refusal:
        read(archive, piece=piece)
    assert refusal.value.facts["offset"] == len(archive) - 1
