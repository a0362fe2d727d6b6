"""What a reader hands out. Events are frozen; offsets count bytes from the start of the artifact."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.header import Header
from verifier.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRead:
    """The member ``version`` says version 3; its digest is compared once the manifest is known."""

    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRead:
    """A canonical manifest, whose ``version`` line holds."""

    manifest: Manifest
    end_offset: int
    """Just after the member's padding: where ``manifest.sig`` goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureRead:
    """The member ``manifest.sig``. A reader does not decide about it; see ``Verifier``."""

    encoded: bytes
    start_offset: int
    """Of the member's first header block."""
    end_offset: int
    """Just after the member's padding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderRead:
    """A header, whose digest is the one in the manifest."""

    header: Header
    name: str
    """Of the member, for example ``header.tar.gz``."""
    sha256: str
    end_offset: int
    """Just after the member's padding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadStarted:
    """A payload file that the manifest lists begins. ``mode`` and ``size`` are not signed."""

    name: str
    mode: int
    """Permission bits, as stored."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadData:
    """Bytes of a payload file, *tentative* until its ``PayloadFinished``, and the artifact's end."""

    name: str
    data: memoryview
    """Valid while the fed chunk is; copy what is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadFinished:
    """A payload file, whose digest is the one in the manifest."""

    name: str
    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFinished:
    """The artifact is complete and every digest holds."""

    size: int
    """Bytes of the artifact as stored."""


Event = (
    VersionRead
    | ManifestRead
    | SignatureRead
    | HeaderRead
    | PayloadStarted
    | PayloadData
    | PayloadFinished
    | ArtifactFinished
)
