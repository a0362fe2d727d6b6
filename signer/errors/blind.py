"""Refusals of signatures over digests, and of the words in which other products ask for them."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class BlindSignNotForPurpose(SignerError):
    """Only keys that sign artifacts may be made to sign digests."""

    code = "blind-sign-not-for-purpose"
    key: str
    purpose: str


@dataclass(eq=False, kw_only=True)
class HeadRequired(SignerError):
    """A manifest alone came to be registered: it tells nothing that its digest does not."""

    code = "head-required"


@dataclass(eq=False, kw_only=True)
class HeadsExhausted(SignerError):
    """The caller has as many heads registered as there may be. ``retry_after``: seconds until one is over."""

    code = "heads-exhausted"
    limit: int
    retry_after: float


@dataclass(eq=False, kw_only=True)
class DialectValueInvalid(SignerError):
    """A request in the words of another product asks for what is not done here. ``allowed``: what is."""

    code = "dialect-value-invalid"
    parameter: str
    allowed: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class BlindSignOff(SignerError):
    """The key was not made to sign digests."""

    code = "blind-sign-off"
    key: str


@dataclass(eq=False, kw_only=True)
class VersionNotActive(SignerError):
    """A version was asked for that does not sign. ``active``: the one that does."""

    code = "version-not-active"
    key: str
    version: int
    active: int
