"""The manifest by itself: canonical or refused."""

from __future__ import annotations

import hashlib

import pytest

from verifier import Limits, Manifest, ManifestEntry, VerificationError, errors

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "0123456789abcdef" * 4)
CANONICAL = f"{A}  data/0000/image.bin\n{B}  header.tar.gz\n{C}  version\n".encode()


def listed(*names: str, end: str = "\n") -> bytes:
    return "\n".join(f"{A}  {name}" for name in names).encode() + end.encode()


def test_a_canonical_manifest_is_read() -> None:
    manifest = Manifest.parse(CANONICAL)

    assert manifest.raw == CANONICAL
    assert manifest.sha256 == hashlib.sha256(CANONICAL).hexdigest()
    assert manifest.version_digest == C
    assert (manifest.header_name, manifest.header_digest) == ("header.tar.gz", B)
    assert manifest.payloads == (ManifestEntry(name="image.bin", sha256=A),)


ACCEPTED = {
    "no payload file": (listed("header.tar", "version"), ()),
    "the order that writers use": (listed("data/0000/a", "header.tar", "version"), ("a",)),
    "another order": (listed("version", "header.tar.xz", "data/0000/b", "data/0000/a"), ("b", "a")),
    "every character of a name": (listed("version", "header.tar.zst", "data/0000/aZ09_-.,"), ("aZ09_-.,",)),
    "an entry of 100 characters": (listed("version", "header.tar", f"data/0000/{'n' * 90}"), ("n" * 90,)),
    "a hidden file": (listed("version", "header.tar", "data/0000/.profile"), (".profile",)),
    "a file called version": (listed("version", "header.tar", "data/0000/version"), ("version",)),
}


@pytest.mark.parametrize("sentence", ACCEPTED)
def test_accepted(sentence: str) -> None:
    raw, names = ACCEPTED[sentence]
    assert tuple(entry.name for entry in Manifest.parse(raw).payloads) == names


REFUSED = {
    "nothing": (b"", errors.ManifestEntryMissing(name="version")),
    "no version": (listed("header.tar"), errors.ManifestEntryMissing(name="version")),
    "no header": (listed("version"), errors.ManifestEntryMissing(name="header.tar")),
    "no newline at the end": (listed("version", "header.tar", end=""), errors.ManifestLineInvalid(line=2)),
    "a blank line": (listed("version", "header.tar", end="\n\n"), errors.ManifestLineInvalid(line=3)),
    "a blank line at the start": (b"\n" + CANONICAL, errors.ManifestLineInvalid(line=1)),
    "a carriage return": (CANONICAL.replace(b"\n", b"\r\n"), errors.ManifestLineInvalid(line=1)),
    "one blank": (CANONICAL.replace(b"  version", b" version"), errors.ManifestLineInvalid(line=3)),
    "three blanks": (CANONICAL.replace(b"  version", b"   version"), errors.ManifestLineInvalid(line=3)),
    "a tab": (CANONICAL.replace(b"  version", b"\tversion"), errors.ManifestLineInvalid(line=3)),
    "binary mode": (CANONICAL.replace(b"  version", b" *version"), errors.ManifestLineInvalid(line=3)),
    "a blank before the digest": (b" " + CANONICAL, errors.ManifestLineInvalid(line=1)),
    "a blank after the name": (CANONICAL.replace(b"version\n", b"version \n"), errors.ManifestLineInvalid(line=3)),
    "upper case in a digest": (CANONICAL.replace(A.encode(), A.upper().encode()), errors.ManifestLineInvalid(line=1)),
    "a digest of 63 digits": (CANONICAL[1:], errors.ManifestLineInvalid(line=1)),
    "a digest of 65 digits": (b"a" + CANONICAL, errors.ManifestLineInvalid(line=1)),
    "a NUL": (CANONICAL.replace(b"image", b"im\0ge"), errors.ManifestLineInvalid(line=1)),
    "a letter that is not ASCII": (
        CANONICAL.replace(b"image", "imäge".encode()),
        errors.ManifestLineInvalid(line=1),
    ),
    "no name": (f"{A}  \n".encode() + CANONICAL, errors.ManifestLineInvalid(line=1)),
    "a directory in a name": (
        listed("data/0000/a/b"),
        errors.ManifestNameInvalid(line=1, name="data/0000/a/b"),
    ),
    "a name of 101 characters": (
        listed(f"data/0000/{'n' * 101}"),
        errors.ManifestNameInvalid(line=1, name=f"data/0000/{'n' * 101}"),
    ),
    "a name of dots": (listed("data/0000/.."), errors.ManifestNameInvalid(line=1, name="data/0000/..")),
    "an empty name": (listed("data/0000/"), errors.ManifestNameInvalid(line=1, name="data/0000/")),
    "a second payload": (listed("data/0001/a"), errors.ManifestNameInvalid(line=1, name="data/0001/a")),
    "the data member": (listed("data/0000.tar.gz"), errors.ManifestNameInvalid(line=1, name="data/0000.tar.gz")),
    "the signature": (listed("manifest.sig"), errors.ManifestNameInvalid(line=1, name="manifest.sig")),
    "a header of another compression": (
        listed("header.tar.bz2"),
        errors.ManifestNameInvalid(line=1, name="header.tar.bz2"),
    ),
    "an augmented header": (
        listed("header-augment.tar.gz"),
        errors.ManifestNameInvalid(line=1, name="header-augment.tar.gz"),
    ),
    "a leading ./": (listed("./version"), errors.ManifestNameInvalid(line=1, name="./version")),
    "version twice": (listed("version", "version"), errors.ManifestEntryRepeated(line=2, name="version")),
    "a file twice": (
        listed("version", "data/0000/a", "header.tar", "data/0000/a"),
        errors.ManifestEntryRepeated(line=4, name="data/0000/a"),
    ),
    "two headers": (
        listed("version", "header.tar", "header.tar.gz"),
        errors.ManifestEntryRepeated(line=3, name="header.tar.gz"),
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused(sentence: str) -> None:
    raw, expected = REFUSED[sentence]
    with pytest.raises(VerificationError) as refusal:
        Manifest.parse(raw)
    assert refusal.value == expected


def test_its_size_is_bounded() -> None:
    with pytest.raises(errors.LimitExceeded):
        Manifest.parse(CANONICAL, limits=Limits(manifest_bytes=len(CANONICAL) - 1))
    assert Manifest.parse(CANONICAL, limits=Limits(manifest_bytes=len(CANONICAL)))


def test_the_number_of_files_is_bounded() -> None:
    raw = listed("version", "header.tar", *(f"data/0000/{number}" for number in range(10)))
    assert len(Manifest.parse(raw, limits=Limits(payload_files=10)).payloads) == 10
    with pytest.raises(errors.LimitExceeded):
        Manifest.parse(raw, limits=Limits(payload_files=9))
