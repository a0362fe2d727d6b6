"""The header's tar and its compression: these members, in this order, and nothing after them."""

from __future__ import annotations

import gzip
import lzma
from dataclasses import replace

from tests.artifacts.breaks import after, append, before, changed, constant, cut, flip, gzipped, moved, twice, without
from tests.artifacts.builder import ArtifactBuilder, Edit, Script, Stage
from tests.artifacts.compression import Compression, compress_in_two
from tests.artifacts.tarwriter import BLOCK, Member

from .case import Case, accepted, lax, refused, signed
from .reasons import COMPRESSED_TAIL, DIRECTORIES, HEADER_ORDER, TAR_END, UNBOUNDED


def _in_two_members(stored_gzip: bytes) -> bytes:
    return compress_in_two(gzip.decompress(stored_gzip), Compression.GZIP)


TYPE_INFO = "headers/0000/type-info"


def members(edit: Edit) -> ArtifactBuilder:
    """The usual artifact with the members of its header tar changed."""
    return signed().edited(Stage.HEADER_MEMBERS, edit)


def tar(edit: Edit) -> ArtifactBuilder:
    """The usual artifact with the bytes of its header tar changed."""
    return signed().edited(Stage.HEADER_TAR, edit)


def stored(edit: Edit) -> ArtifactBuilder:
    """The usual artifact with the compressed header changed, before it is signed."""
    return signed().edited(Stage.HEADER_STORED, edit)


def meta(text: bytes) -> ArtifactBuilder:
    """The usual artifact with meta-data."""
    return replace(signed(), meta_data=text)


LONG = Script(name="ArtifactCommit_Enter_00", content=b"#!/bin/sh\nexit 0\n" + bytes(33 << 20))
"""More than a header may hold."""

MEMBERS = (
    refused("header-info is missing", members(without("header-info")), "header-member-unexpected"),
    refused("header-info is there twice", members(twice("header-info")), "header-member-unexpected"),
    refused("header-info comes after type-info", members(moved("header-info", 1)), "header-member-unexpected"),
    refused(
        "header-info is called ./header-info",
        members(changed("header-info", name="./header-info")),
        "header-member-unexpected",
    ),
    refused(
        "header-info is a symbolic link",
        members(changed("header-info", kind=b"2", link="x", content=b"")),
        "member-not-regular",
    ),
    refused("type-info is missing", members(without(TYPE_INFO)), "header-member-missing"),
    lax("type-info is there twice", members(twice(TYPE_INFO)), "header-member-unexpected", HEADER_ORDER),
    refused(
        "type-info is there for a second payload",
        members(after(TYPE_INFO, Member(name="headers/0001/type-info", content=b'{"type":"corpus-module"}'))),
        "header-member-unexpected",
    ),
    refused(
        "type-info is numbered 0001",
        members(changed(TYPE_INFO, name="headers/0001/type-info")),
        "header-member-unexpected",
    ),
    lax(
        "a directory headers/0000/ is there",
        members(before(TYPE_INFO, Member(name="headers/0000/", kind=b"5"))),
        "member-not-regular",
        DIRECTORIES,
    ),
    lax(
        "a directory scripts/ is there",
        members(before(TYPE_INFO, Member(name="scripts/", kind=b"5"))),
        "member-not-regular",
        DIRECTORIES,
    ),
    refused(
        "another file is there",
        members(after(TYPE_INFO, Member(name="headers/0000/files", content=b"{}"))),
        "header-member-unexpected",
    ),
    refused(
        "a file of no known place is there",
        members(before(TYPE_INFO, Member(name="README", content=b"x"))),
        "header-member-unexpected",
    ),
    refused("the header tar has no members", members(constant([])), "header-member-missing"),
)

STORED = (
    accepted("the header is not compressed", replace(signed(), header_compression=Compression.NONE)),
    accepted("the header is xz, the payload gzip", replace(signed(), header_compression=Compression.XZ)),
    accepted(
        "the header is a gzip of two members",
        stored(_in_two_members),
    ),
    lax("the header tar has a block after its end", tar(append(b"x" * BLOCK)), "tar-trailing-data", TAR_END),
    lax("the header tar has no end", tar(cut(2 * BLOCK)), "truncated", TAR_END),
    refused("the header tar is cut", tar(cut(4 * BLOCK)), "truncated"),
    refused("the header tar is empty", tar(constant(b"")), "truncated"),
    refused("the header tar has a broken checksum", tar(flip(0)), "tar-checksum-invalid"),
    refused(
        "the header is gzip but called .xz",
        signed().edited(Stage.HEADER_STORED, gzip.decompress).edited(Stage.HEADER_STORED, lzma.compress),
        "compression-mismatch",
    ),
    refused("the header is a tar but called .gz", stored(gzip.decompress), "compression-mismatch"),
    refused(
        "the header is gzip but called .tar",
        replace(signed(), header_compression=Compression.NONE).edited(Stage.HEADER_STORED, gzipped),
        "compression-mismatch",
    ),
    lax("the header's gzip is cut", stored(cut(4)), "truncated", COMPRESSED_TAIL),
    lax("the header's gzip has a wrong checksum", stored(flip(-8)), "compression-corrupt", COMPRESSED_TAIL),
    lax("the header's gzip has a wrong length", stored(flip(-1)), "compression-corrupt", COMPRESSED_TAIL),
    lax(
        "garbage follows the header's gzip",
        stored(append(b"garbage!")),
        "compressed-trailing-data",
        COMPRESSED_TAIL,
    ),
    accepted("zeros follow the header's gzip", stored(append(bytes(8)))),
    lax(
        "zeros and then a byte follow the header's gzip",
        stored(append(bytes(8) + b"x")),
        "compressed-trailing-data",
        COMPRESSED_TAIL,
    ),
    refused("the header is empty", stored(constant(b"")), "truncated"),
    lax("the header holds a script of 33 mebibytes", replace(signed(), scripts=(LONG,)), "limit-exceeded", UNBOUNDED),
    lax(
        "the header is 64 MiB of metadata",
        meta(b'{"x":"' + b"y" * (64 << 20) + b'"}'),
        "limit-exceeded",
        UNBOUNDED,
    ),
)


CASES: tuple[Case, ...] = (*MEMBERS, *STORED)
