"""What is asked to be signed, after it was read and checked: one type for each amount that was seen.

A decision about a request looks at its type; what was not seen is no member of it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import total_ordering
from typing import ClassVar

from verifier import FindingCode, Header, Manifest


@total_ordering
class Checked(Enum):
    """How much of the artifact was seen and checked before signing: ``BLIND < MANIFEST < HEAD < ARTIFACT``."""

    BLIND = "blind"  # a digest, nothing of what it stands for
    MANIFEST = "manifest"  # a canonical manifest, nothing else
    HEAD = "head"  # version, manifest and header, each against the manifest's digests
    ARTIFACT = "artifact"  # every byte

    def __lt__(self, other: Checked) -> bool:
        return _AMOUNTS[self.value] < _AMOUNTS[other.value]

    def __ge__(self, other: Checked) -> bool:
        # Said here as well: it is asked for each condition of each rule.
        return _AMOUNTS[self.value] >= _AMOUNTS[other.value]


# The order of the lines above is the order of the amounts.
_AMOUNTS = {checked.value: number for number, checked in enumerate(Checked)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestSeen:
    """A SHA-256 digest came, 32 bytes, and nothing of what it stands for."""

    checked: ClassVar[Checked] = Checked.BLIND
    manifest: ClassVar[None] = None
    header: ClassVar[None] = None
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestSeen:
    """A canonical manifest came alone. ``manifest.raw`` is what is signed, as in the types below."""

    checked: ClassVar[Checked] = Checked.MANIFEST
    header: ClassVar[None] = None
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSeen:
    """Version, manifest and header came; the header has the manifest's digest.

    ``findings``: of what came. ``head``: the bytes up to the end of the header; empty where they were not kept.
    """

    checked: ClassVar[Checked] = Checked.HEAD
    manifest: Manifest
    header: Header
    findings: frozenset[FindingCode]
    head: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactSeen:
    """A whole artifact came; every byte has the manifest's digests. ``sizes``: bytes of each payload file, unpacked.

    ``head``: as in ``HeadSeen``.
    """

    checked: ClassVar[Checked] = Checked.ARTIFACT
    manifest: Manifest
    header: Header
    findings: frozenset[FindingCode]
    sizes: Mapping[str, int]
    head: bytes = field(default=b"", repr=False)


SigningRequest = ManifestSeen | HeadSeen | ArtifactSeen
# What can be decided about and put on record.
AnyRequest = SigningRequest | DigestSeen


def signed_sha256(request: AnyRequest) -> str:
    """The digest of what is signed, in lowercase hex."""
    return request.digest.hex() if isinstance(request, DigestSeen) else request.manifest.sha256


def kept_content(request: AnyRequest) -> bytes | None:
    """What tells people later what was asked to be signed: the head, or the manifest where that came alone."""
    if isinstance(request, DigestSeen):
        return None
    if isinstance(request, ManifestSeen):
        return request.manifest.raw
    return request.head or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature that was verified with the pinned public key.

    Attributes:
        encoded: the bytes of manifest.sig: standard padded base64, no newline.
        fingerprint: lowercase hex SHA-256 of the signing key's SubjectPublicKeyInfo.
        index: of the leaf of the log that records it.
        emergency: it was asked for past its approvals.
    """

    encoded: bytes
    key: str
    version: int
    algorithm: str
    fingerprint: str
    index: int
    emergency: bool = False

    @property
    def raw(self) -> bytes:
        """RSASSA-PKCS1-v1_5, or r and s, 32 bytes each, big-endian."""
        return base64.b64decode(self.encoded)
