"""What a reader hands out. Events are frozen; offsets count bytes from the start of the artifact."""

from __future__ import annotations

from verifier._record import Record
from verifier.header import Header
from verifier.manifest import Manifest


class VersionRead(Record):
    """The member ``version`` says version 3; its digest is compared once the manifest is known."""

    sha256: str


class ManifestRead(Record):
    """A canonical manifest, whose ``version`` line holds."""

    manifest: Manifest
    end_offset: int
    """Just after the member's padding: where ``manifest.sig`` goes."""


class SignatureRead(Record):
    """The member ``manifest.sig``. A reader does not decide about it; see ``Verifier``."""

    encoded: bytes
    start_offset: int
    """Of the member's first header block."""
    end_offset: int
    """Just after the member's padding."""


class HeaderRead(Record):
    """A header, whose digest is the one in the manifest."""

    header: Header
    name: str
    """Of the member, for example ``header.tar.gz``."""
    sha256: str
    end_offset: int
    """Just after the member's padding."""


class PayloadStarted(Record):
    """A payload file that the manifest lists begins. ``mode`` and ``size`` are not signed."""

    name: str
    mode: int
    """Permission bits, as stored."""
    size: int
    """Bytes."""


class PayloadData(Record):
    """Bytes of a payload file, *tentative* until its ``PayloadFinished``, and the artifact's end."""

    name: str
    data: memoryview
    """Valid while the fed chunk is; copy what is kept."""


class PayloadFinished(Record):
    """A payload file, whose digest is the one in the manifest."""

    name: str
    size: int
    """Bytes."""
    sha256: str


class ArtifactFinished(Record):
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
