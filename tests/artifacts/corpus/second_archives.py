"""Archives that are two: where a client looks for compressed data in what it has unpacked, it reads another one.

The raw name of an extension's header block is read by nobody, so a magic there changes nothing for most readers. With
gzip, a field of free length in its header passes over the rest of the block; with zstd, a skippable frame does.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace

from tests.artifacts.breaks import changed
from tests.artifacts.builder import ArtifactBuilder, Script, Stage
from tests.artifacts.compression import Compression
from tests.artifacts.keys import KeyKind
from tests.artifacts.tarwriter import BLOCK, Field, Member, gnu_long_name, pax_header

from .case import Case, Go, lax, signed
from .reasons import RAW_NAMES, SECOND_ARCHIVE

SKIPPABLE_BYTES = 8
GZIP_BYTES = 12
MAGICS = {
    "gzip": gzip.compress(b"", mtime=0)[:10],
    "xz": b"\xfd7zXZ\x00\x00\x04",
    "zstd": b"\x28\xb5\x2f\xfd\x04",
    "skippable zstd": b"\x5f\x2a\x4d\x18" + (BLOCK - SKIPPABLE_BYTES).to_bytes(4, "little"),
}
EXTENSIONS: dict[str, Callable[[str], Member]] = {
    "a pax header": lambda name: pax_header({"path": name}),
    "a GNU long name": gnu_long_name,
}


def begun(extension: Member, magic: bytes) -> Member:
    """An extension whose own raw name is ``magic``."""
    return replace(extension, fields={Field.NAME: magic})


def gzip_polyglot(name: str, other: bytes) -> Member:
    """A GNU long name that is, from the first byte of its header block on, also a gzip stream of ``other``."""
    compressed = gzip.compress(other, mtime=0)[10:]
    passed = BLOCK - GZIP_BYTES + len(name) + 1
    head = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + passed.to_bytes(2, "little")
    content = name.encode() + b"\0" + compressed
    return replace(gnu_long_name(name), content=content, fields={Field.NAME: head})


def _outside(name: str, recipe: ArtifactBuilder, extension: Callable[[str], Member]) -> ArtifactBuilder:
    return recipe.edited(Stage.MEMBERS, changed("version", before=(extension("version"),)))


def _in_header(name: str, recipe: ArtifactBuilder, extension: Callable[[str], Member]) -> ArtifactBuilder:
    return recipe.edited(Stage.HEADER_MEMBERS, changed("header-info", before=(extension("header-info"),)))


def _in_data(name: str, recipe: ArtifactBuilder, extension: Callable[[str], Member]) -> ArtifactBuilder:
    return recipe.edited(Stage.PAYLOAD_MEMBERS, changed("hello.txt", before=(extension("hello.txt"),)))


PLACES = {"the artifact": _outside, "the header": _in_header, "the payload": _in_data}
OTHER = ArtifactBuilder(name="older-release", scripts=(Script(name="ArtifactInstall_Enter_00"),)).build()


def _row(place: str, kind: KeyKind, compression: Compression, how: str, magic: str) -> Case:
    make, extension = PLACES[place], EXTENSIONS[how]
    recipe = make(place, signed(kind).compressed(compression), lambda name: begun(extension(name), MAGICS[magic]))
    name = f"{how} at the start of {place} ({compression.name.lower()}, {kind.value}) begins like {magic}"
    if compression is Compression.ZSTD:
        return Case(name=name, recipe=recipe, code="second-archive", trusted=kind, go=Go.REFUSE)
    return Case(name=name, recipe=recipe, code="second-archive", trusted=kind, go=Go.ACCEPT, why=SECOND_ARCHIVE)


BEGUN = tuple(
    _row(place, kind, compression, how, magic)
    for place in PLACES
    for compression in Compression
    for how in EXTENSIONS
    for magic in MAGICS
    for kind in ((KeyKind.P256, KeyKind.RSA_3072) if magic == "gzip" else (KeyKind.P256,))
)

WHOLE = tuple(
    lax(
        f"{place} is another archive for whoever unpacks it once more",
        make(place, signed(), lambda name: gzip_polyglot(name, OTHER)),
        "second-archive",
        SECOND_ARCHIVE,
    )
    for place, make in PLACES.items()
)

RAW = (
    *(
        lax(
            f"a byte of {field.name.lower()} in the block of {how} is {what}",
            signed().edited(
                Stage.MEMBERS, changed("version", before=(replace(extension("version"), fields={field: raw}),))
            ),
            "tar-field-invalid",
            RAW_NAMES,
        )
        for how, extension in EXTENSIONS.items()
        for field, what, raw in (
            (Field.NAME, "no ASCII", b"Pax\xff"),
            (Field.NAME, "a control character", b"Pax\x1f\x8b"),
            (Field.LINK, "a control character", b"\x01"),
        )
    ),
    lax(
        "bytes follow the NUL of a GNU long name",
        signed().edited(
            Stage.MEMBERS, changed("version", before=(replace(gnu_long_name("version"), content=b"version\0x"),))
        ),
        "tar-extension-invalid",
        RAW_NAMES,
    ),
    lax(
        "the raw name that a pax header overrides is no ASCII",
        signed().edited(
            Stage.MEMBERS, changed("version", fields={Field.NAME: b"\xfd7zXZ"}, records={"path": "version"})
        ),
        "tar-field-invalid",
        RAW_NAMES,
    ),
    lax(
        "the prefix that a pax header overrides has a control character",
        signed().edited(Stage.MEMBERS, changed("version", fields={Field.PREFIX: b"\x1f"}, records={"path": "version"})),
        "tar-field-invalid",
        RAW_NAMES,
    ),
    lax(
        "a script's raw name is no ASCII where its long name is",
        replace(signed(), scripts=(Script(name="ArtifactInstall_Enter_00"),)).edited(
            Stage.HEADER_MEMBERS,
            changed(
                "scripts/ArtifactInstall_Enter_00",
                fields={Field.NAME: b"scripts/\xff"},
                before=(gnu_long_name("scripts/ArtifactInstall_Enter_00"),),
            ),
        ),
        "tar-field-invalid",
        RAW_NAMES,
    ),
)

HONEST = (
    *(
        Case(
            name=f"{how} at the start of {place} is what writers call it",
            recipe=make(place, signed(), extension),
            code=None,
            go=Go.ACCEPT,
        )
        for place, make in PLACES.items()
        for how, extension in EXTENSIONS.items()
    ),
)

CASES: tuple[Case, ...] = (*HONEST, *BEGUN, *WHOLE, *RAW)
