"""What a finished verification or inspection knows. Only a success makes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier._record import Record
from verifier.compression import Compression
from verifier.findings import Finding
from verifier.header import Header
from verifier.keys import VerificationKey
from verifier.manifest import Manifest
from verifier.signatures import SignatureEncoding

if TYPE_CHECKING:
    from verifier.log import LogEvidence


class VerifiedPayload(Record):
    """A payload file whose digest was compared with the manifest's."""

    name: str
    size: int
    """Bytes."""
    sha256: str
    """Lowercase hex."""


class Inspection(Record):
    """What an artifact contains. Digests hold, but *the signature was not checked*: anyone can have made it."""

    header: Header
    manifest: Manifest
    payloads: tuple[VerifiedPayload, ...]
    """In stored order."""
    payload_compression: Compression
    findings: tuple[Finding, ...]
    size: int
    """Bytes of the artifact as stored."""
    has_signature: bool
    """Whether there is a ``manifest.sig``; it was not checked."""


class Evidence(Record):
    """An artifact that is valid for every client, signed by ``key``."""

    header: Header
    manifest: Manifest
    key: VerificationKey
    """The trusted key that made the signature."""
    signature_encoding: SignatureEncoding
    payloads: tuple[VerifiedPayload, ...]
    """In stored order."""
    payload_compression: Compression
    findings: tuple[Finding, ...]
    size: int
    """Bytes of the artifact as stored."""
    log: LogEvidence | None = None
    """The record of the signature in a transparency log, where one was demanded."""

    @property
    def artifact_name(self) -> str:
        """The artifact's name, proved by the signature."""
        return self.header.artifact_name
