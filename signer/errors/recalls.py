"""Refusals because of recalls."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class ManifestRecalled(SignerError):
    """The manifest was recalled: no key signs it, and no signature of it is given out."""

    code = "manifest-recalled"
    manifest_sha256: str


@dataclass(eq=False, kw_only=True)
class ManifestNotSigned(SignerError):
    """No signature of the manifest is on record, so there is nothing to recall."""

    code = "manifest-not-signed"
    manifest_sha256: str


@dataclass(eq=False, kw_only=True)
class RecallsExhausted(SignerError):
    """As many manifests were recalled as a list for devices can name."""

    code = "recalls-exhausted"
    limit: int
