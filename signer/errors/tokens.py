"""Refusals about tokens of users and devices.

``TokenRefused`` and ``SubjectRefused`` are no ``SignerError``: strangers get ``CredentialsRejected`` and nothing more,
and the reason is for the service's own log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from signer.errors.base import SignerError


class TokenRefusal(StrEnum):
    """Why a token proves nothing."""

    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    HEADER_REFUSED = "header-refused"
    ALGORITHM_REFUSED = "algorithm-refused"
    KEY_UNKNOWN = "key-unknown"
    SIGNATURE_INVALID = "signature-invalid"
    CLAIM_MISSING = "claim-missing"
    CLAIM_TYPE = "claim-type"
    ISSUER_REFUSED = "issuer-refused"
    KIND_REFUSED = "kind-refused"
    SCOPE_REFUSED = "scope-refused"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    # What follows is on record, and not in the token.
    NOT_ON_RECORD = "not-on-record"
    REVOKED = "revoked"
    AUTH_SET_NOT_ACCEPTED = "auth-set-not-accepted"
    DEVICE_GONE = "device-gone"
    USER_DISABLED = "user-disabled"
    USER_GONE = "user-gone"


class TokenRefused(Exception):
    """A token proves nothing.

    Attributes:
        reason: which check it fails.
        member: the claim or header member that it fails by; None where none is concerned. Never a value.
    """

    def __init__(self, reason: TokenRefusal, member: str | None = None) -> None:
        super().__init__(reason, member)
        self.reason = reason
        self.member = member

    def __str__(self) -> str:
        return self.reason.value if self.member is None else f"{self.reason.value} ({self.member})"


class SubjectRefused(Exception):
    """At the moment of recording the auth set is not accepted, or the user may not log in; nothing was issued."""


@dataclass(eq=False, kw_only=True)
class TokenKeyMissing(SignerError):
    """There is no key of this purpose under the configured name."""

    code = "token-key-missing"
    key: str
    purpose: str


@dataclass(eq=False, kw_only=True)
class TokensLimited(SignerError):
    """This auth set, or user, has got as many tokens as it may for now. ``retry_after``: seconds."""

    code = "tokens-limited"
    retry_after: float


@dataclass(eq=False, kw_only=True)
class TokensStillValid(SignerError):
    """Tokens that the version signed hold until this moment; without it they would be refused."""

    code = "tokens-still-valid"
    key: str
    version: int
    tokens_valid_until: datetime


@dataclass(eq=False, kw_only=True)
class TokenStatesUnavailable(SignerError):
    """Whether a token still holds cannot be known now."""

    code = "token-states-unavailable"
