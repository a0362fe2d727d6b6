"""The payload tar: every entry listed, every listed file there, once, as a plain file."""

from __future__ import annotations

from dataclasses import replace

from tests.artifacts.breaks import (
    after,
    append,
    changed,
    constant,
    cut,
    every,
    field,
    flip,
    moved,
    twice,
    without,
)
from tests.artifacts.builder import ArtifactBuilder, Edit, PayloadFile, Stage
from tests.artifacts.compression import Compression
from tests.artifacts.tarwriter import BLOCK, Field, Flavour, Member, gnu_long_name, octal, pax_header

from .case import Case, Go, accepted, lax, refused, signed
from .reasons import DATA_ABSENT, NO_INSTALLER, PAYLOAD_TWICE, TAR_END


def members(edit: Edit) -> ArtifactBuilder:
    """The usual artifact with the members of its payload tar changed; the manifest lists the right ones."""
    return signed().edited(Stage.PAYLOAD_MEMBERS, edit)


def tar(edit: Edit, compression: Compression = Compression.GZIP) -> ArtifactBuilder:
    """The usual artifact with the bytes of its payload tar changed."""
    return signed().compressed(compression).edited(Stage.PAYLOAD_TAR, edit)


NO_PAYLOAD = replace(signed(), payload_type=None, files=())
NO_FILES = replace(signed(), files=())

LISTED = (
    accepted("the files are in another order than listed", members(moved("image.bin", 0))),
    accepted(
        "an empty file is listed and there",
        replace(signed(), files=(PayloadFile(name="empty", content=b""),)),
    ),
    accepted(
        "there are a hundred files",
        replace(
            signed(),
            files=tuple(PayloadFile(name=f"file-{number}", content=b"%d" % number) for number in range(100)),
        ),
    ),
    accepted(
        "there is no payload: type null and an empty tar",
        NO_PAYLOAD,
        go=Go.ONLY_TOOL_ACCEPTS,
        why=NO_INSTALLER,
    ),
    lax(
        "there is no payload: type null and no data member",
        NO_PAYLOAD.edited(Stage.MEMBERS, without("data/0000")),
        "member-missing",
        DATA_ABSENT,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    refused(
        "a rootfs image has two files",
        replace(signed(), payload_type="rootfs-image"),
        "payload-files-too-many",
    ),
    accepted("a payload without files", NO_FILES),
    refused(
        "a file that is not listed is there",
        members(after("image.bin", Member(name="extra", content=b"x"))),
        "payload-not-listed",
    ),
    refused(
        "an empty file that is not listed is there",
        members(after("image.bin", Member(name="extra"))),
        "payload-not-listed",
    ),
    refused("a listed file is missing", members(without("image.bin")), "payload-missing"),
    refused("all listed files are missing", members(constant([])), "payload-missing"),
    lax(
        "a file is there twice",
        members(twice("image.bin")),
        "payload-repeated",
        PAYLOAD_TWICE,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    refused(
        "a file is there twice, the second time changed",
        members(after("hello.txt", Member(name="hello.txt", content=b"evil\n"))),
        "payload-repeated",
    ),
    refused("type null has a file", replace(signed(), payload_type=None), "payload-unexpected"),
    refused(
        "type null has a file that is not listed",
        NO_PAYLOAD.edited(Stage.PAYLOAD_MEMBERS, constant([Member(name="extra", content=b"x")])),
        "payload-not-listed",
    ),
    refused(
        "a file has the other file's content",
        members(
            lambda files: [
                replace(files[0], content=files[1].content),
                replace(files[1], content=files[0].content),
            ]
        ),
        "digest-mismatch",
    ),
)

ENTRIES = (
    accepted("the payload tar's headers are GNU", members(every(flavour=Flavour.GNU))),
    accepted("the payload tar's headers are v7", members(every(flavour=Flavour.V7))),
    accepted("the payload tar's headers are pax", members(every(records={"mtime": "1700000000.25"}))),
    accepted(
        "modes, owners and times in the payload tar are unusual",
        members(every(mode=0o6755)),
        "payload-mode",
        "payload-mode",
    ),
    accepted("zeros fill the payload tar's last record", tar(append(bytes(18 * BLOCK)))),
    refused(
        "a file lies in a directory",
        members(changed("hello.txt", name="sub/hello.txt")),
        "payload-name-invalid",
    ),
    refused(
        "a file's name begins with ./ ",
        members(changed("hello.txt", name="./hello.txt")),
        "payload-name-invalid",
    ),
    refused("a file's name is absolute", members(changed("hello.txt", name="/hello.txt")), "payload-name-invalid"),
    refused(
        "a file climbs out of its directory",
        members(changed("hello.txt", name="../hello.txt")),
        "payload-name-invalid",
    ),
    refused(
        "a pax header makes a file climb out",
        members(changed("hello.txt", records={"path": "../../etc/passwd"})),
        "payload-name-invalid",
    ),
    refused(
        "a GNU long name makes a file climb out",
        members(changed("hello.txt", before=(gnu_long_name("../../etc/passwd"),))),
        "payload-name-invalid",
    ),
    refused(
        "a directory entry is there",
        members(after("image.bin", Member(name="sub/", kind=b"5"))),
        "member-not-regular",
    ),
    refused(
        "a file is a symbolic link",
        members(changed("hello.txt", kind=b"2", link="/etc/passwd", content=b"")),
        "member-not-regular",
    ),
    refused(
        "a file is a hard link",
        members(changed("hello.txt", kind=b"1", link="image.bin", content=b"")),
        "member-not-regular",
    ),
    refused(
        "a file is a character device",
        members(changed("hello.txt", kind=b"3", content=b"")),
        "member-not-regular",
    ),
    refused(
        "a file is a block device",
        members(changed("hello.txt", kind=b"4", content=b"")),
        "member-not-regular",
    ),
    refused("a file is a FIFO", members(changed("hello.txt", kind=b"6", content=b"")), "member-not-regular"),
    refused("a file is a GNU sparse file", members(changed("hello.txt", kind=b"S")), "member-not-regular"),
    refused(
        "a pax global header is in the payload tar",
        members(changed("hello.txt", before=(pax_header({"comment": "x"}, kind=b"g"),))),
        "pax-global-header",
    ),
)

FRAMING = tuple(
    case
    for compression in (Compression.NONE, Compression.GZIP)
    for how in (f"({compression.name.lower()})",)
    for case in (
        refused(
            f"the payload tar is cut inside a file {how}",
            tar(lambda text: text[: BLOCK + 5], compression),
            "truncated",
        ),
        refused(
            f"the payload tar is cut after a file {how}",
            tar(lambda text: text[: 2 * BLOCK], compression),
            "truncated",
        ),
        lax(f"the payload tar has no end {how}", tar(cut(2 * BLOCK), compression), "truncated", TAR_END),
        lax(f"the payload tar has one end block {how}", tar(cut(BLOCK), compression), "truncated", TAR_END),
        refused(f"the payload tar has a broken checksum {how}", tar(flip(0), compression), "tar-checksum-invalid"),
        lax(
            f"the payload tar has a block after its end {how}",
            tar(append(b"x" * BLOCK), compression),
            "tar-trailing-data",
            TAR_END,
        ),
        refused(
            f"a zero block hides a file in the payload tar {how}",
            tar(lambda text: text[: 2 * BLOCK] + bytes(BLOCK) + text[2 * BLOCK :], compression),
            "tar-end-incomplete",
        ),
        refused(
            f"a file's size is one less {how}",
            members(field("hello.txt", Field.SIZE, octal(13, 12))).compressed(compression),
            "digest-mismatch",
        ),
        refused(
            f"a file's size is one more {how}",
            members(field("hello.txt", Field.SIZE, octal(15, 12))).compressed(compression),
            "digest-mismatch",
        ),
        refused(
            f"a file's size is eight gigabytes {how}",
            members(field("hello.txt", Field.SIZE, b"77777777777\0")).compressed(compression),
            "truncated",
        ),
    )
)


CASES: tuple[Case, ...] = (*LISTED, *ENTRIES, *FRAMING)
