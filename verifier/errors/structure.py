"""Refusals of the outer shape: tar archives, the order of members, version and manifest."""

from __future__ import annotations

from typing import ClassVar

from verifier.errors.base import MalformedArtifact, UnsupportedArtifact


class TarChecksumInvalid(MalformedArtifact):
    """A header block of the archive ``part`` has a wrong checksum; ``offset`` in bytes from its start."""

    code: ClassVar[str] = "tar-checksum-invalid"
    part: str
    offset: int


class TarFieldInvalid(MalformedArtifact):
    """A field of a tar header block is malformed, or readers disagree about its meaning."""

    code: ClassVar[str] = "tar-field-invalid"
    part: str
    offset: int
    field: str


class SecondArchive(MalformedArtifact):
    """The archive ``part`` begins like compressed data: some clients unpack that and read another archive."""

    code: ClassVar[str] = "second-archive"
    part: str


class TarExtensionInvalid(MalformedArtifact):
    """A PAX header or GNU long name is repeated, mixed with another kind, or followed by no member."""

    code: ClassVar[str] = "tar-extension-invalid"
    part: str
    offset: int


class PaxGlobalHeader(MalformedArtifact):
    """A PAX global header (type ``g``); clients disagree about it."""

    code: ClassVar[str] = "pax-global-header"
    part: str
    offset: int


class PaxRecordInvalid(MalformedArtifact):
    """The records of a PAX header are malformed; ``record`` is the key where it is known."""

    code: ClassVar[str] = "pax-record-invalid"
    part: str
    offset: int
    record: str | None


class PaxRecordUnsupported(MalformedArtifact):
    """A PAX record that changes what a member is (sparse files, links, character sets)."""

    code: ClassVar[str] = "pax-record-unsupported"
    part: str
    offset: int
    record: str


class MemberNotRegular(MalformedArtifact):
    """A link, directory, device or other special entry; ``typeflag`` is the tar type, one character."""

    code: ClassVar[str] = "member-not-regular"
    part: str
    name: str
    typeflag: str


class TarEndIncomplete(MalformedArtifact):
    """A single zero block where an archive ends with two."""

    code: ClassVar[str] = "tar-end-incomplete"
    part: str
    offset: int


class TarTrailingData(MalformedArtifact):
    """Bytes other than zero after the end of an archive."""

    code: ClassVar[str] = "tar-trailing-data"
    part: str
    offset: int


class MemberUnexpected(MalformedArtifact):
    """``name`` is not among the members that may come here; ``expected`` are those that may."""

    code: ClassVar[str] = "member-unexpected"
    name: str
    expected: tuple[str, ...]


class MemberMissing(MalformedArtifact):
    """The archive ended before one of ``expected``."""

    code: ClassVar[str] = "member-missing"
    expected: tuple[str, ...]


class AugmentedArtifact(UnsupportedArtifact):
    """An augmented artifact: its second manifest is not signed, and C++ clients refuse it."""

    code: ClassVar[str] = "augmented-artifact"
    member: str


class UnsupportedVersion(UnsupportedArtifact):
    """A format version other than 3."""

    code: ClassVar[str] = "unsupported-version"
    version: int


class VersionInvalid(MalformedArtifact):
    """``version`` is not exactly ``{"format":"mender","version":N}``."""

    code: ClassVar[str] = "version-invalid"


class ManifestLineInvalid(MalformedArtifact):
    """A manifest line (from 1) is not ``<64 lowercase hex><two spaces><name>`` with a newline at its end."""

    code: ClassVar[str] = "manifest-line-invalid"
    line: int


class ManifestNameInvalid(MalformedArtifact):
    """A manifest line names something other than ``version``, a header or a payload file."""

    code: ClassVar[str] = "manifest-name-invalid"
    line: int
    name: str


class ManifestEntryRepeated(MalformedArtifact):
    """A name, or a second header, is listed again on ``line``."""

    code: ClassVar[str] = "manifest-entry-repeated"
    line: int
    name: str


class ManifestEntryMissing(MalformedArtifact):
    """The manifest does not list ``name`` (``version`` or ``header.tar``)."""

    code: ClassVar[str] = "manifest-entry-missing"
    name: str


class ManifestHeaderMismatch(MalformedArtifact):
    """The manifest lists a header by another name than the member has."""

    code: ClassVar[str] = "manifest-header-mismatch"
    listed: str
    stored: str
