"""Refusals because of who asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class CredentialsMissing(SignerError):
    """No credential came with the request."""

    code = "credentials-missing"


@dataclass(eq=False, kw_only=True)
class CredentialsRejected(SignerError):
    """A credential came and proves nothing. Which part is wrong is not said."""

    code = "credentials-rejected"


@dataclass(eq=False, kw_only=True)
class CredentialsExpired(CredentialsRejected):
    """The credential was proved and its time is over: whoever holds it may know."""

    code = "credentials-expired"
    expires_at: datetime


@dataclass(eq=False, kw_only=True)
class CredentialsAmbiguous(SignerError):
    """Two credentials came, and a request is made by one caller. Whether either proves anything is not said."""

    code = "credentials-ambiguous"


@dataclass(eq=False, kw_only=True)
class AccessDenied(SignerError):
    """The identity is known and may not do this.

    Attributes:
        rule: the rule that denied it, or came closest to allowing it; None where no rule is about it.
        condition: the member of that rule, or of the credential, which decided.
    """

    code = "access-denied"
    identity: str
    reason: str
    rule: str | None = None
    condition: str | None = None


@dataclass(eq=False, kw_only=True)
class PolicyInvalid(SignerError):
    """A text is no policy. ``problems``: one sentence each, with the rule and the member."""

    code = "policy-invalid"
    problems: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class PolicyCasesInvalid(SignerError):
    """A file is no table of cases for a policy. ``problems``: one sentence each."""

    code = "policy-cases-invalid"
    path: str
    problems: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class ApiTokenNameTaken(SignerError):
    """An API token of this name is on record, valid or revoked: names are not used twice."""

    code = "api-token-name-taken"
    name: str


@dataclass(eq=False, kw_only=True)
class ApiTokenNotFound(SignerError):
    """No API token has this name."""

    code = "api-token-not-found"
    name: str


@dataclass(eq=False, kw_only=True)
class CiKeysUnavailable(SignerError):
    """The issuer's keys cannot be had now, so that nobody knows what the token is worth."""

    code = "ci-keys-unavailable"


@dataclass(eq=False, kw_only=True)
class ApiTokenExpiryPast(SignerError):
    """An API token that should be made would have ended before."""

    code = "api-token-expiry-past"
    expires_at: datetime


@dataclass(eq=False, kw_only=True)
class CiSessionNotFound(SignerError):
    """No session that still holds has this id."""

    code = "ci-session-not-found"
    session: str


@dataclass(eq=False, kw_only=True)
class TooManyAttempts(SignerError):
    """Too many wrong credentials came from there, or claimed to be this one; ``retry_after`` in seconds."""

    code = "too-many-attempts"
    retry_after: int


@dataclass(eq=False, kw_only=True)
class CiSessionsExhausted(SignerError):
    """As many sessions of the identity hold as may at the same time."""

    code = "ci-sessions-exhausted"
    identity: str
