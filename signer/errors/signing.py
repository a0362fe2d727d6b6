"""Refusals to sign, or to publish a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class MessageNotAllowed(SignerError):
    """Keys of this purpose do not sign such messages. ``message``: its type."""

    code = "message-not-allowed"
    message: str
    purpose: str


@dataclass(eq=False, kw_only=True)
class NoActiveVersion(SignerError):
    """The key has no version that signs."""

    code = "no-active-version"
    key: str


@dataclass(eq=False, kw_only=True)
class VersionNotYetValid(SignerError):
    """Before the version's not-before."""

    code = "version-not-yet-valid"
    key: str
    version: int
    not_before: datetime


@dataclass(eq=False, kw_only=True)
class VersionExpired(SignerError):
    """After the version's not-after."""

    code = "version-expired"
    key: str
    version: int
    not_after: datetime


@dataclass(eq=False, kw_only=True)
class SignatureLimitReached(SignerError):
    """The version has made as many signatures as it may."""

    code = "signature-limit-reached"
    key: str
    version: int
    limit: int


@dataclass(eq=False, kw_only=True)
class VersionQuarantined(SignerError):
    """The token answered with another key than the recorded one; the version signs no more."""

    code = "version-quarantined"
    key: str
    version: int


@dataclass(eq=False, kw_only=True)
class NoTrustedVersion(SignerError):
    """No version of the key is one that a device should trust now; an empty list of keys is never given out."""

    code = "no-trusted-version"
    key: str


@dataclass(eq=False, kw_only=True)
class RateLimited(SignerError):
    """The identity has had made all signatures with the key that it may in this period; ``retry_after``: seconds."""

    code = "rate-limited"
    key: str
    limit: int
    period: str
    retry_after: float


@dataclass(eq=False, kw_only=True)
class SignatureCountReached(SignerError):
    """The identity has had made all signatures with the key that it ever may."""

    code = "signature-count-reached"
    key: str
    limit: int
