"""The numbers, checksums and extension headers of the outer tar."""

from __future__ import annotations

from dataclasses import replace

from tests.artifacts.breaks import changed, every, field
from tests.artifacts.builder import ArtifactBuilder
from tests.artifacts.tarwriter import (
    Field,
    Flavour,
    Member,
    gnu_long_name,
    gnu_number,
    header_bytes,
    octal,
    pax_header,
)

from .case import Case, accepted, lax, refused
from .outer import members
from .reasons import EXTENSIONS_MERGED, LINK_NAME, PAX_EMPTY, PAX_UNKNOWN, TAR_END, TAR_NEGATIVE, TAR_NUMBER

WRONG_SUM = b"000001\0 "
UNSET = dict.fromkeys((Field.MODE, Field.UID, Field.GID, Field.MTIME), b"")
SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "31"}
A_GIGABYTE = {Field.SIZE: octal(1 << 30, 12)}
SIZE = 31
"""The length of the version member."""


def version(where: Field, raw: bytes) -> ArtifactBuilder:
    """The usual artifact, `raw` in a field of the first header."""
    return members(field("version", where, raw))


def extended(*before: Member) -> ArtifactBuilder:
    """The usual artifact, extension headers in front of its first member."""
    return members(changed("version", before=before))


def ending(extension: Member) -> ArtifactBuilder:
    """The usual artifact, an extension header after its last member."""
    return members(lambda all_members: [*all_members, extension])


def pax(body: bytes) -> Member:
    """A pax header with a body written by hand."""
    return Member(name="PaxHeaders.0/version", content=body, kind=b"x")


def _signed_sum(all_members: list[Member]) -> list[Member]:
    version, *others = all_members
    odd = replace(version, fields={Field.UNAME: "ü".encode(), Field.CHECKSUM: b" " * 8})
    total = sum(byte - 256 if byte > 127 else byte for byte in header_bytes(odd))
    return [replace(odd, fields={**odd.fields, Field.CHECKSUM: f"{total:06o}\0 ".encode()}), *others]


NUMBERS = (
    accepted("the size is in base 256", version(Field.SIZE, gnu_number(SIZE, 12))),
    accepted("the size is padded with blanks", version(Field.SIZE, b"         37 ")),
    accepted("the size ends in a blank", version(Field.SIZE, b"00000000037 ")),
    accepted("the size fills its field", version(Field.SIZE, b"000000000037")),
    accepted("the owner is in base 256", version(Field.UID, gnu_number(3_000_000, 8))),
    lax(
        "the time is before 1970 in base 256",
        version(Field.MTIME, gnu_number(-1, 12)),
        "tar-field-invalid",
        TAR_NEGATIVE,
    ),
    accepted("all numbers but size and checksum are empty", members(every(fields=UNSET))),
    refused("the size is negative in base 256", version(Field.SIZE, gnu_number(-SIZE, 12)), "tar-field-invalid"),
    refused("the size is a negative octal number", version(Field.SIZE, b"-0000000037\0"), "tar-field-invalid"),
    refused("the size has a digit 8", version(Field.SIZE, b"00000000038\0"), "tar-field-invalid"),
    refused("the size is hexadecimal", version(Field.SIZE, b"0x1f\0"), "tar-field-invalid"),
    refused("the size is words", version(Field.SIZE, b"thirty-one\0"), "tar-field-invalid"),
    lax(
        "the size has digits after its end",
        version(Field.SIZE, b"37\x0037\0"),
        "tar-field-invalid",
        TAR_NUMBER,
    ),
    refused("the size is empty", version(Field.SIZE, bytes(12)), "version-invalid"),
    refused("the size is one less", version(Field.SIZE, octal(SIZE - 1, 12)), "version-invalid"),
    refused("the size is one more", version(Field.SIZE, octal(SIZE + 1, 12)), "version-invalid"),
    refused("the size is a block more", version(Field.SIZE, octal(SIZE + 512, 12)), "version-invalid"),
    refused("the size is eight gigabytes", version(Field.SIZE, b"77777777777\0"), "limit-exceeded"),
    refused("the size is 2^63", version(Field.SIZE, gnu_number(2**63, 12)), "tar-field-invalid"),
    refused(
        "the size is 2^64 and the true one",
        version(Field.SIZE, gnu_number(2**64 + SIZE, 12)),
        "tar-field-invalid",
    ),
    refused("the mode is words", version(Field.MODE, b"rw-r--r-"), "tar-field-invalid"),
    refused("the owner is words", version(Field.UID, b"nobody"), "tar-field-invalid"),
    refused("the time is words", version(Field.MTIME, b"yesterday"), "tar-field-invalid"),
)

CHECKSUMS = (
    *(
        refused(f"the checksum of {name} is wrong", members(field(name, Field.CHECKSUM, WRONG_SUM)), code)
        for name, code in (
            ("version", "not-an-artifact"),
            ("manifest", "tar-checksum-invalid"),
            ("manifest.sig", "tar-checksum-invalid"),
            ("header.tar.gz", "tar-checksum-invalid"),
            ("data/0000.tar.gz", "tar-checksum-invalid"),
        )
    ),
    refused("a checksum is empty", members(field("manifest", Field.CHECKSUM, bytes(8))), "tar-checksum-invalid"),
    refused("a checksum is words", members(field("manifest", Field.CHECKSUM, b"correct!")), "tar-checksum-invalid"),
    accepted("a checksum was made over signed bytes", members(_signed_sum)),
)

EXTENSIONS = (
    lax(
        "a pax header has an unknown record",
        extended(pax_header({"VENDOR.note": "x"})),
        "pax-record-unsupported",
        PAX_UNKNOWN,
    ),
    accepted("a pax header has an empty comment", extended(pax_header({"comment": ""}))),
    refused(
        "a pax global header is there",
        extended(pax_header({"comment": "all"}, kind=b"g")),
        "pax-global-header",
    ),
    refused("a pax header gives another size", extended(pax_header({"size": "30"})), "tar-field-invalid"),
    refused("a pax header gives a negative size", extended(pax_header({"size": "-31"})), "pax-record-invalid"),
    refused("a pax header gives a size in words", extended(pax_header({"size": "many"})), "pax-record-invalid"),
    refused("a pax header gives a size with blanks", extended(pax_header({"size": " 31"})), "pax-record-invalid"),
    refused(
        "a pax header gives a size over 2^64",
        extended(pax_header({"size": str(2**64 + 31)})),
        "pax-record-invalid",
    ),
    lax(
        "a pax header gives an empty name",
        extended(pax_header({"path": ""})),
        "pax-record-invalid",
        PAX_EMPTY,
    ),
    refused(
        "a pax header gives a name with NUL",
        extended(pax_header({"path": "version\0x"})),
        "pax-record-invalid",
    ),
    refused("a pax header makes it a GNU sparse file", extended(pax_header(SPARSE)), "pax-record-unsupported"),
    refused("a pax record claims to be longer", extended(pax(b"99 path=version\n")), "pax-record-invalid"),
    refused("a pax record claims to be shorter", extended(pax(b"5 path=version\n")), "pax-record-invalid"),
    refused("a pax record has no length", extended(pax(b"path=version\n")), "pax-record-invalid"),
    refused("a pax record has no equals sign", extended(pax(b"16 path version\n")), "pax-record-invalid"),
    refused("a pax record has no newline", extended(pax(b"16 path=version ")), "pax-record-invalid"),
    refused("a pax record is not UTF-8", extended(pax(b"11 path=\xff\xfe\n")), "pax-record-invalid"),
    refused(
        "a pax header claims a gigabyte",
        extended(Member(name="x", kind=b"x", fields=A_GIGABYTE)),
        "limit-exceeded",
    ),
    refused(
        "a pax header of a mebibyte is there",
        extended(pax_header({"comment": "x" * (1 << 20)})),
        "limit-exceeded",
    ),
    lax("a pax header is the last member", ending(pax_header({"path": "x"})), "tar-extension-invalid", TAR_END),
    lax(
        "two pax headers precede one member",
        extended(pax_header({"mtime": "1"}), pax_header({"mtime": "2"})),
        "tar-extension-invalid",
        EXTENSIONS_MERGED,
    ),
    lax("a GNU long name is the last member", ending(gnu_long_name("x")), "tar-extension-invalid", TAR_END),
    refused(
        "a GNU long name claims a gigabyte",
        extended(replace(gnu_long_name("x"), fields=A_GIGABYTE)),
        "limit-exceeded",
    ),
    lax(
        "a GNU long link name is there",
        extended(replace(gnu_long_name("x"), kind=b"K")),
        "member-not-regular",
        LINK_NAME,
    ),
    refused(
        "a GNU volume header is there",
        extended(Member(name="volume", kind=b"V", flavour=Flavour.GNU)),
        "member-not-regular",
    ),
    lax(
        "a thousand pax headers are there",
        extended(*[pax_header({"comment": "x"})] * 1000),
        "tar-extension-invalid",
        EXTENSIONS_MERGED,
    ),
)


CASES: tuple[Case, ...] = (*NUMBERS, *CHECKSUMS, *EXTENSIONS)
