"""What is asked to be signed, after it was read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from verifier import Header, Manifest


class Checked(StrEnum):
    """How much of the artifact was seen and checked before signing."""

    MANIFEST = "manifest"  # a canonical manifest, nothing else
    HEAD = "head"  # version, manifest and header, each against the manifest's digests
    ARTIFACT = "artifact"  # every byte


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequest:
    """A checked request for a signature over ``manifest.raw``.

    Attributes:
        manifest: canonical, its raw bytes are what is signed.
        header: what the artifact is; None when only a manifest came.
        checked: how much was seen.
        signed_already: the input carried a manifest.sig.
    """

    manifest: Manifest
    header: Header | None
    checked: Checked
    signed_already: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature that was verified with the pinned public key.

    Attributes:
        raw: RSASSA-PKCS1-v1_5, or r and s, 32 bytes each, big-endian.
        encoded: the bytes of manifest.sig: standard padded base64, no newline.
        fingerprint: lowercase hex SHA-256 of the signing key's SubjectPublicKeyInfo.
    """

    raw: bytes
    encoded: bytes
    key: str
    version: int
    algorithm: str
    fingerprint: str
