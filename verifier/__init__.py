"""Mender Artifacts: what one contains, and whether to trust it.

``verify(stream, trust=…)`` returns ``Evidence`` or raises a ``VerificationError``; ``Verifier`` does the same
for bytes that are pushed; ``ArtifactReader`` reads without a verdict about the signature. Names are imported
when they are first used, so that ``import verifier`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verifier import errors
    from verifier.compression import Compression
    from verifier.errors import VerificationError
    from verifier.events import (
        ArtifactFinished,
        Event,
        HeaderRead,
        ManifestRead,
        PayloadData,
        PayloadFinished,
        PayloadStarted,
        SignatureRead,
        VersionRead,
    )
    from verifier.evidence import Evidence, Inspection, VerifiedPayload
    from verifier.findings import Finding, FindingCode
    from verifier.head import Head, read_head
    from verifier.header import Header
    from verifier.keys import KeyAlgorithm, TrustStore, VerificationKey
    from verifier.limits import Limits
    from verifier.manifest import Manifest, ManifestEntry
    from verifier.reader import ArtifactReader
    from verifier.signatures import (
        SignatureEncoding,
        SignatureMatch,
        decode_signature,
        verify_manifest_signature,
    )
    from verifier.verification import Verifier, inspect, verify

__all__ = [
    "ArtifactFinished",
    "ArtifactReader",
    "Compression",
    "Event",
    "Evidence",
    "Finding",
    "FindingCode",
    "Head",
    "Header",
    "HeaderRead",
    "Inspection",
    "KeyAlgorithm",
    "Limits",
    "Manifest",
    "ManifestEntry",
    "ManifestRead",
    "PayloadData",
    "PayloadFinished",
    "PayloadStarted",
    "SignatureEncoding",
    "SignatureMatch",
    "SignatureRead",
    "TrustStore",
    "VerificationError",
    "VerificationKey",
    "VerifiedPayload",
    "Verifier",
    "VersionRead",
    "decode_signature",
    "errors",
    "inspect",
    "read_head",
    "verify",
    "verify_manifest_signature",
]

_HOMES = {
    "compression": ("Compression",),
    "errors": ("VerificationError",),
    "events": (
        "ArtifactFinished",
        "Event",
        "HeaderRead",
        "ManifestRead",
        "PayloadData",
        "PayloadFinished",
        "PayloadStarted",
        "SignatureRead",
        "VersionRead",
    ),
    "evidence": ("Evidence", "Inspection", "VerifiedPayload"),
    "findings": ("Finding", "FindingCode"),
    "head": ("Head", "read_head"),
    "header": ("Header",),
    "keys": ("KeyAlgorithm", "TrustStore", "VerificationKey"),
    "limits": ("Limits",),
    "manifest": ("Manifest", "ManifestEntry"),
    "reader": ("ArtifactReader",),
    "signatures": (
        "SignatureEncoding",
        "SignatureMatch",
        "decode_signature",
        "verify_manifest_signature",
    ),
    "verification": ("Verifier", "inspect", "verify"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("verifier.errors")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"verifier.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
