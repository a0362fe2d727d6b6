"""The member `manifest`: canonical lines, all of them, once, for what is there and nothing else."""

from __future__ import annotations

from dataclasses import replace

from tests.artifacts.breaks import append, constant, cut, digest_of, swap, without_line
from tests.artifacts.builder import ArtifactBuilder, Edit, PayloadFile, Stage

from .case import Case, accepted, lax, refused, signed
from .reasons import NAME_LENGTH

EMPTY_DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def text(edit: Edit) -> ArtifactBuilder:
    """The usual artifact whose manifest is changed before it is signed."""
    return signed().edited(Stage.MANIFEST, edit)


def lines(edit: Edit) -> ArtifactBuilder:
    """The usual artifact whose manifest lines are changed before it is signed."""
    return signed().edited(Stage.MANIFEST_LINES, edit)


def listing(name: str) -> ArtifactBuilder:
    """An artifact whose manifest lists one file too many."""
    return lines(lambda listed: [*listed, (EMPTY_DIGEST, name)])


def file_called(name: str) -> ArtifactBuilder:
    """An artifact with one payload file, of that name."""
    return replace(signed(), files=(PayloadFile(name=name, content=b"content\n"),))


def _exchanged(listed: list[tuple[str, str]]) -> list[tuple[str, str]]:
    (first_digest, first), (second_digest, second), *others = listed
    return [(second_digest, first), (first_digest, second), *others]


SYNTAX = (
    refused(
        "every line ends in CR LF",
        text(lambda manifest: manifest.replace(b"\n", b"\r\n")),
        "manifest-line-invalid",
    ),
    refused("one line ends in CR LF", text(swap(b"\n", b"\r\n")), "manifest-line-invalid"),
    refused("the last line is not ended", text(cut(1)), "manifest-line-invalid"),
    refused("the manifest ends in a blank line", text(append(b"\n")), "manifest-line-invalid"),
    refused(
        "the manifest begins with a blank line",
        text(lambda manifest: b"\n" + manifest),
        "manifest-line-invalid",
    ),
    refused("a blank line stands inside the manifest", text(swap(b"\n", b"\n\n")), "manifest-line-invalid"),
    refused(
        "a digest is in upper case",
        text(lambda manifest: manifest[:64].upper() + manifest[64:]),
        "manifest-line-invalid",
    ),
    refused("one blank separates digest and name", text(swap(b"  ", b" ")), "manifest-line-invalid"),
    refused("three blanks separate digest and name", text(swap(b"  ", b"   ")), "manifest-line-invalid"),
    refused("a tab separates digest and name", text(swap(b"  ", b"\t")), "manifest-line-invalid"),
    refused("a star precedes the name as in binary mode", text(swap(b"  ", b" *")), "manifest-line-invalid"),
    refused("a blank follows a name", text(swap(b"\n", b" \n")), "manifest-line-invalid"),
    refused("a blank precedes a line", text(lambda manifest: b" " + manifest), "manifest-line-invalid"),
    refused("a digest is a digit short", text(lambda manifest: manifest[1:]), "manifest-line-invalid"),
    refused("a digest is a digit long", text(lambda manifest: b"0" + manifest), "manifest-line-invalid"),
    refused("a digest has a letter g", text(lambda manifest: b"g" + manifest[1:]), "manifest-line-invalid"),
    refused("a line has no name", text(append(EMPTY_DIGEST.encode() + b"  \n")), "manifest-line-invalid"),
    refused("a line is a comment", text(lambda manifest: b"# made by hand\n" + manifest), "manifest-line-invalid"),
    refused("the manifest is empty", text(constant(b"")), "manifest-entry-missing"),
    refused("the manifest is one newline", text(constant(b"\n")), "manifest-line-invalid"),
    refused(
        "the manifest is not UTF-8",
        text(append(EMPTY_DIGEST.encode() + b"  data/0000/\xff\n")),
        "manifest-line-invalid",
    ),
    refused(
        "the manifest has a byte order mark",
        text(lambda manifest: b"\xef\xbb\xbf" + manifest),
        "manifest-line-invalid",
    ),
    refused("the manifest has NUL after its last line", text(append(b"\0")), "manifest-line-invalid"),
    refused("the manifest is four mebibytes", text(lambda manifest: manifest * 12_000), "limit-exceeded"),
)

LINES = (
    accepted("the lines are in the opposite order", lines(lambda listed: listed[::-1])),
    accepted("the version line comes first", lines(lambda listed: [listed[-1], *listed[:-1]])),
    refused("the version line is missing", lines(without_line("version")), "manifest-entry-missing"),
    refused("the header line is missing", lines(without_line("header.tar")), "manifest-entry-missing"),
    refused("a payload line is missing", lines(without_line("data/0000/hello")), "payload-not-listed"),
    refused("all payload lines are missing", lines(without_line("data/")), "payload-not-listed"),
    refused(
        "the version line is there twice",
        lines(lambda listed: [*listed, listed[-1]]),
        "manifest-entry-repeated",
    ),
    refused(
        "the header line is there twice",
        lines(lambda listed: [*listed, listed[-2]]),
        "manifest-entry-repeated",
    ),
    refused("a payload line is there twice", lines(lambda listed: [listed[0], *listed]), "manifest-entry-repeated"),
    refused(
        "a payload line is there twice with two digests",
        lines(lambda listed: [(EMPTY_DIGEST, listed[0][1]), *listed]),
        "manifest-entry-repeated",
    ),
    refused("a second header line has another suffix", listing("header.tar.xz"), "manifest-entry-repeated"),
    refused(
        "the header line has another suffix than the member",
        text(swap(b"header.tar.gz", b"header.tar.xz")),
        "manifest-header-mismatch",
    ),
    refused("a file is listed that is not there", listing("data/0000/absent"), "payload-missing"),
    refused("a file of a second payload is listed", listing("data/0001/absent"), "manifest-name-invalid"),
    refused("an unknown member is listed", listing("README"), "manifest-name-invalid"),
    refused("the manifest lists itself", listing("manifest"), "manifest-name-invalid"),
    refused("the manifest lists the payload tar", listing("data/0000.tar.gz"), "manifest-name-invalid"),
    refused("the manifest lists the header's augment", listing("header-augment.tar.gz"), "manifest-name-invalid"),
    refused(
        "the digest of the version is another",
        lines(digest_of("version", lambda _: EMPTY_DIGEST)),
        "digest-mismatch",
    ),
    refused(
        "the digest of the header is another",
        lines(digest_of("header.tar.gz", lambda _: EMPTY_DIGEST)),
        "digest-mismatch",
    ),
    refused(
        "the digest of a file is another",
        lines(digest_of("data/0000/hello.txt", lambda _: EMPTY_DIGEST)),
        "digest-mismatch",
    ),
    refused("two files have changed digests", lines(_exchanged), "digest-mismatch"),
)

NAMES = (
    accepted("a file's name has 90 characters", file_called("n" * 90)),
    accepted("a file's name is odd but allowed", file_called("_-.,A9.img-v1,2")),
    accepted("a file's name begins with a dot", file_called(".hidden")),
    accepted("a file is called version", file_called("version")),
    accepted("a file is called manifest.sig", file_called("manifest.sig")),
    accepted("a file's name ends in .gz", file_called("rootfs.ext4.gz"), "payload-name-suffix"),
    accepted("a file's name ends in .xz", file_called("rootfs.ext4.xz"), "payload-name-suffix"),
    accepted("a file's name ends in .zst", file_called("rootfs.ext4.zst"), "payload-name-suffix"),
    lax("a file's name has 91 characters", file_called("n" * 91), "manifest-name-invalid", NAME_LENGTH),
    refused("a file's name has a blank", file_called("my file"), "manifest-line-invalid"),
    refused("a file's name has a plus sign", file_called("a+b"), "manifest-name-invalid"),
    refused("a file's name has a tilde", file_called("a~"), "manifest-name-invalid"),
    refused("a file's name has an umlaut", file_called("gerät"), "manifest-line-invalid"),
    refused("a file's name has a newline", file_called("a\nb"), "manifest-line-invalid"),
    refused("a file's name has a backslash", file_called("a\\b"), "manifest-name-invalid"),
    refused("a file's name is a dot", file_called("."), "manifest-name-invalid"),
    refused("a file's name is two dots", file_called(".."), "manifest-name-invalid"),
    refused("a file's name is empty", file_called(""), "manifest-name-invalid"),
)


CASES: tuple[Case, ...] = (*SYNTAX, *LINES, *NAMES)
