"""The outer tar: which members, in which order, under which names, of which type."""

from __future__ import annotations

import lzma
from dataclasses import replace

from tests.artifacts.breaks import after, append, before, changed, constant, cut, every, gzipped, moved, twice, without
from tests.artifacts.builder import ArtifactBuilder, Edit, Stage
from tests.artifacts.tarwriter import BLOCK, END_OF_ARCHIVE, Field, Flavour, Member, gnu_long_name

from .case import Case, Go, accepted, lax, refused, signed
from .reasons import DATA_NAME, SECOND_PAYLOAD, TAR_END, TAR_TYPE

ONE_BLOCK = bytes(BLOCK)
ZERO_BLOCK = Member(name="", fields=dict.fromkeys(Field, b""))
NOTE = Member(name="README", content=b"read me\n")


def members(edit: Edit) -> ArtifactBuilder:
    """The usual artifact with its outer members changed."""
    return signed().edited(Stage.MEMBERS, edit)


def whole(edit: Edit) -> ArtifactBuilder:
    """The usual artifact with the finished file changed."""
    return signed().edited(Stage.ARTIFACT, edit)


def called(name: str, new: str) -> ArtifactBuilder:
    """The usual artifact with one outer member under another name."""
    return members(changed(name, name=new))


def first(count: int) -> ArtifactBuilder:
    """The first `count` bytes of the usual artifact."""
    return whole(lambda artifact: artifact[:count])


def followed(tail: bytes) -> ArtifactBuilder:
    """The usual artifact and `tail` after it."""
    return whole(append(tail))


FLAVOURS = (
    accepted("headers are ustar", signed()),
    accepted("headers are GNU", members(every(flavour=Flavour.GNU))),
    accepted("headers are v7", members(every(flavour=Flavour.V7))),
    accepted("headers are pax with a time of its own", members(every(records={"mtime": "1700000000.5"}))),
    accepted("a pax header repeats the name", members(changed("version", records={"path": "version"}))),
    accepted("a pax header repeats the size", members(changed("version", records={"size": "31"}))),
    accepted("a GNU long name repeats the name", members(changed("version", before=(gnu_long_name("version"),)))),
    accepted("a regular file is typed NUL as in v7", members(changed("version", kind=b"\0"))),
    accepted(
        "the name of the payload is split into prefix and name",
        members(changed("data/0000", fields={Field.NAME: b"0000.tar.gz", Field.PREFIX: b"data"})),
    ),
    accepted("modes, owners and times are unusual", members(every(mode=0o4777, records={"uname": "root"}))),
    accepted("zeros fill the last record", replace(signed(), outer_end=bytes(20 * BLOCK))),
    accepted("zeros follow that fill no block", replace(signed(), outer_end=bytes(2 * BLOCK + 100))),
    accepted("padding after a member is not zero", members(changed("version", padding=b"x")), "hidden-bytes"),
)

CONTAINER = (
    refused("the file is empty", whole(constant(b"")), "empty-input"),
    refused("the file is text", whole(constant(b"this is not an artifact\n" * 50)), "not-an-artifact"),
    refused("the file is a short page of HTML", whole(constant(b"<!DOCTYPE html>\n")), "not-an-artifact"),
    refused(
        "the file is a Git LFS pointer",
        whole(constant(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")),
        "not-an-artifact",
    ),
    refused("the file is zeros only", whole(constant(bytes(20 * BLOCK))), "member-missing"),
    refused("the file is one short block", whole(constant(b"version")), "truncated"),
    refused("the artifact is gzipped as a whole", whole(gzipped), "not-an-artifact"),
    refused("the artifact is xz-compressed as a whole", whole(lzma.compress), "not-an-artifact"),
    lax("the end-of-archive blocks are missing", replace(signed(), outer_end=b""), "truncated", TAR_END),
    lax(
        "one of the two end-of-archive blocks is missing",
        replace(signed(), outer_end=ONE_BLOCK),
        "truncated",
        TAR_END,
    ),
    refused(
        "the second end-of-archive block is not zero",
        replace(signed(), outer_end=ONE_BLOCK + b"x" * BLOCK),
        "tar-end-incomplete",
    ),
    lax("a byte follows the end of the archive", followed(b"x"), "tar-trailing-data", TAR_END),
    lax("a block follows the end of the archive", followed(b"x" * BLOCK), "tar-trailing-data", TAR_END),
    lax(
        "a byte hides in the zeros after the end",
        followed(bytes(5 * BLOCK) + b"x" + bytes(BLOCK)),
        "tar-trailing-data",
        TAR_END,
    ),
    lax(
        "a second artifact follows the first",
        whole(lambda artifact: artifact + artifact),
        "tar-trailing-data",
        TAR_END,
    ),
    refused("the file begins with a zero block", whole(lambda artifact: ONE_BLOCK + artifact), "tar-end-incomplete"),
    refused("a byte precedes the artifact", whole(lambda artifact: b"x" + artifact), "not-an-artifact"),
    refused(
        "a single zero block hides the payload",
        members(before("data/0000", ZERO_BLOCK)),
        "tar-end-incomplete",
    ),
)

TRUNCATED = (
    refused("cut inside the first header block", first(300), "truncated"),
    refused("cut after the first header block", first(BLOCK), "truncated"),
    refused("cut inside the version", first(BLOCK + 10), "truncated"),
    refused("cut in the padding after the version", first(BLOCK + 40), "truncated"),
    refused("cut after the version", first(2 * BLOCK), "truncated"),
    refused("cut inside the manifest", first(3 * BLOCK + 100), "truncated"),
    refused("cut after the manifest", first(4 * BLOCK), "truncated"),
    refused("cut inside the signature", first(5 * BLOCK + 40), "truncated"),
    refused("cut after the signature", first(6 * BLOCK), "truncated"),
    refused("cut inside the header", first(7 * BLOCK + 100), "truncated"),
    refused("cut after the header", first(8 * BLOCK), "truncated"),
    refused("cut inside the payload", first(9 * BLOCK + 100), "truncated"),
    lax("cut in the padding after the payload", whole(cut(len(END_OF_ARCHIVE) + 1)), "truncated", TAR_END),
    refused("cut inside the second end-of-archive block", whole(cut(1)), "truncated"),
)

ORDER = (
    refused("the manifest comes before the version", members(moved("manifest", 0)), "member-unexpected"),
    refused("the signature comes before the manifest", members(moved("manifest.sig", 1)), "member-unexpected"),
    refused("the signature comes after the header", members(moved("manifest.sig", 3)), "unsigned"),
    refused("the signature comes last", members(moved("manifest.sig", 4)), "unsigned"),
    refused("the payload comes before the header", members(moved("data/0000", 3)), "member-unexpected"),
    refused("the header comes before the manifest", members(moved("header.tar", 1)), "member-unexpected"),
    refused("the version is missing", members(without("version")), "member-unexpected"),
    refused("the manifest is missing", members(without("manifest")), "member-unexpected"),
    refused("the signature is missing", members(without("manifest.sig")), "unsigned"),
    refused("the header is missing", members(without("header.tar")), "member-unexpected"),
    refused("the payload is missing", members(without("data/0000")), "member-missing"),
    refused("header and payload are missing", members(lambda all_members: all_members[:3]), "member-missing"),
    refused("the version is there twice", members(twice("version")), "member-unexpected"),
    refused("the manifest is there twice", members(twice("manifest")), "member-unexpected"),
    refused("the signature is there twice", members(twice("manifest.sig")), "member-unexpected"),
    refused("the header is there twice", members(twice("header.tar")), "member-unexpected"),
    lax(
        "the payload is there twice",
        members(twice("data/0000")),
        "several-payloads",
        SECOND_PAYLOAD,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    refused("a file precedes the version", members(before("version", NOTE)), "member-unexpected"),
    refused("a file stands between version and manifest", members(after("version", NOTE)), "member-unexpected"),
    refused("a file stands between header and payload", members(after("header.tar", NOTE)), "member-unexpected"),
    refused("a file follows the payload", members(after("data/0000", NOTE)), "member-unexpected"),
    lax(
        "a second payload follows",
        members(after("data/0000", Member(name="data/0001.tar", content=END_OF_ARCHIVE))),
        "several-payloads",
        SECOND_PAYLOAD,
    ),
    refused(
        "a directory data/ precedes the payload",
        members(before("data/0000", Member(name="data/", kind=b"5"))),
        "member-not-regular",
    ),
)

NAMES = (
    refused("the version is called ./version", called("version", "./version"), "member-unexpected"),
    refused("the version is called /version", called("version", "/version"), "member-unexpected"),
    refused("the version is called VERSION", called("version", "VERSION"), "member-unexpected"),
    refused("the version has no name", called("version", ""), "member-unexpected"),
    refused("the manifest is called ./manifest", called("manifest", "./manifest"), "member-unexpected"),
    refused("the manifest has a blank after its name", called("manifest", "manifest "), "member-unexpected"),
    refused("the signature is called manifest.sig2", called("manifest.sig", "manifest.sig2"), "member-unexpected"),
    refused(
        "the header is called header.tar.bz2",
        called("header.tar", "header.tar.bz2"),
        "unsupported-compression",
    ),
    refused("the header is called header.tgz", called("header.tar", "header.tgz"), "member-unexpected"),
    refused(
        "the header is called header.tar.gz.gz",
        called("header.tar", "header.tar.gz.gz"),
        "unsupported-compression",
    ),
    refused("the header is called header.tar.GZ", called("header.tar", "header.tar.GZ"), "unsupported-compression"),
    refused("the payload is called data/0001.tar.gz", called("data/0000", "data/0001.tar.gz"), "member-unexpected"),
    refused("the payload is called data/0000", called("data/0000", "data/0000"), "member-unexpected"),
    lax(
        "the payload is called data/000.tar.gz",
        called("data/0000", "data/000.tar.gz"),
        "member-unexpected",
        DATA_NAME,
    ),
    lax(
        "the payload is called data/00000.tar.gz",
        called("data/0000", "data/00000.tar.gz"),
        "member-unexpected",
        DATA_NAME,
    ),
    lax(
        "the payload is called data//0000.tar.gz",
        called("data/0000", "data//0000.tar.gz"),
        "member-unexpected",
        DATA_NAME,
    ),
    lax(
        "the payload is called data/../data/0000.tar.gz",
        called("data/0000", "data/../data/0000.tar.gz"),
        "member-unexpected",
        DATA_NAME,
    ),
    refused(
        "the payload is called data/0000.tar.bz2",
        called("data/0000", "data/0000.tar.bz2"),
        "unsupported-compression",
    ),
    refused(
        "the payload is called data/0000.tar.lzma",
        called("data/0000", "data/0000.tar.lzma"),
        "unsupported-compression",
    ),
    refused(
        "a pax header renames a member",
        members(changed("version", name="x", records={"path": "./version"})),
        "member-unexpected",
    ),
    refused(
        "a GNU long name renames a member",
        members(changed("version", before=(gnu_long_name("./version"),))),
        "member-unexpected",
    ),
)

TYPES = tuple(
    row
    for name, what in (("version", "the version"), ("data/0000", "the payload"))
    for row in (
        *(
            refused(f"{what} is {kind}", members(changed(name, kind=flag, link=link)), "member-not-regular")
            for kind, flag, link in (
                ("a symbolic link", b"2", "/etc/passwd"),
                ("a hard link", b"1", "manifest"),
                ("a character device", b"3", ""),
                ("a FIFO", b"6", ""),
                ("a directory", b"5", ""),
                ("a GNU sparse file", b"S", ""),
            )
        ),
        *(
            lax(f"{what} is {kind}", members(changed(name, kind=flag)), "member-not-regular", TAR_TYPE)
            for kind, flag in (("a contiguous file", b"7"), ("of an unknown type", b"Z"))
        ),
    )
)

AUGMENTED_MANIFEST = Member(name="manifest-augment", content=b"")
AUGMENTED_HEADER = Member(name="header-augment.tar.gz", content=gzipped(END_OF_ARCHIVE))


def augmented() -> ArtifactBuilder:
    """The usual artifact with an empty second manifest and an empty second header."""
    with_manifest = members(after("manifest.sig", AUGMENTED_MANIFEST))
    return with_manifest.edited(Stage.MEMBERS, after("header.tar", AUGMENTED_HEADER))


AUGMENTED = (
    refused("the artifact is augmented", augmented(), "augmented-artifact"),
    refused(
        "manifest-augment is there alone",
        members(after("manifest.sig", AUGMENTED_MANIFEST)),
        "augmented-artifact",
    ),
    refused("header-augment is there alone", members(after("header.tar", AUGMENTED_HEADER)), "augmented-artifact"),
)

CASES: tuple[Case, ...] = (
    *FLAVOURS,
    *CONTAINER,
    *TRUNCATED,
    *ORDER,
    *NAMES,
    *TYPES,
    *AUGMENTED,
)
