"""Refusals about users, their passwords, second factors and tokens. None holds what somebody typed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from signer.errors.access import CredentialsRejected
from signer.errors.base import SignerError


class PasswordProblem(StrEnum):
    """Why nobody may have such a password."""

    TOO_SHORT = "it is shorter than 8 characters"
    TOO_LONG = "it is longer than 256 characters"
    NOT_ASCII = "it holds other characters than printable ASCII"
    LIKE_EMAIL = "it stands in the e-mail address, or the address in it"


class LoginRefusal(StrEnum):
    """Why a login is refused; for the service's own log."""

    NO_CREDENTIALS = "no-credentials"  # none of the Basic scheme that can be read
    NO_SUCH_USER = "no-such-user"  # or one who is disabled
    WRONG_PASSWORD = "wrong-password"  # noqa: S105  (a name, no secret)
    CODE_MISSING = "code-missing"
    WRONG_CODE = "wrong-code"  # or one that was used
    SEED_UNREADABLE = "seed-unreadable"
    USER_CHANGED = "user-changed"  # while they logged in


@dataclass(eq=False, kw_only=True)
class LoginRefused(CredentialsRejected):
    """Address, password, second factor or state: which of them is for the service's log alone."""

    code = "login-refused"
    hidden: ClassVar[frozenset[str]] = frozenset({"reason"})
    reason: LoginRefusal


@dataclass(eq=False, kw_only=True)
class LoginsBusy(SignerError):
    """As many passwords are being looked at, or wait for it, as may."""

    code = "logins-busy"
    retry_after: int


@dataclass(eq=False, kw_only=True)
class UserNotFound(SignerError):
    """There is no such user. ``user``: id or address as it was asked for."""

    code = "user-not-found"
    user: str


@dataclass(eq=False, kw_only=True)
class UserEmailTaken(SignerError):
    """A user has this address."""

    code = "user-email-taken"
    email: str


@dataclass(eq=False, kw_only=True)
class UserEmailFixed(SignerError):
    """The address of a user is the name that rules use, and stays."""

    code = "user-email-fixed"
    email: str


@dataclass(eq=False, kw_only=True)
class UserFactsInvalid(SignerError):
    """A member of a user cannot be that."""

    code = "user-facts-invalid"
    member: str


@dataclass(eq=False, kw_only=True)
class UserChanged(SignerError):
    """The user was changed by another call; nothing was done."""

    code = "user-changed"
    user: str


@dataclass(eq=False, kw_only=True)
class PasswordRefused(SignerError):
    """Nobody may have such a password."""

    code = "password-refused"
    problem: PasswordProblem


@dataclass(eq=False, kw_only=True)
class CurrentPasswordWrong(SignerError):
    """Who wants to change how they log in did not give the password that they have."""

    code = "current-password-wrong"


@dataclass(eq=False, kw_only=True)
class PasswordRejected(SignerError):
    """A password is not the one on record, or there is none on record."""

    code = "password-rejected"


@dataclass(eq=False, kw_only=True)
class SecondFactorRejected(SignerError):
    """A code is not one of the present moment, or was used."""

    code = "second-factor-rejected"


@dataclass(eq=False, kw_only=True)
class SecondFactorEnrolled(SignerError):
    """Logging in takes a code already; another seed is made when this one is off."""

    code = "second-factor-enrolled"


@dataclass(eq=False, kw_only=True)
class SecondFactorNotEnrolled(SignerError):
    """There is no seed that could be confirmed, or switched off."""

    code = "second-factor-not-enrolled"


@dataclass(eq=False, kw_only=True)
class SealKeyUnusable(SignerError):
    """The key that seeds of second factors are sealed with cannot be had. ``problem`` names no content."""

    code = "seal-key-unusable"
    problem: str


@dataclass(eq=False, kw_only=True)
class SeedUnreadable(SignerError):
    """What is on record as a user's seed was not sealed for this user with this key."""

    code = "seed-unreadable"
    user: str


@dataclass(eq=False, kw_only=True)
class PersonalTokenNameTaken(SignerError):
    """A personal access token of the user has this name."""

    code = "personal-token-name-taken"
    name: str


@dataclass(eq=False, kw_only=True)
class PersonalTokensExhausted(SignerError):
    """The user has as many personal access tokens as one may have."""

    code = "personal-tokens-exhausted"
    limit: int


@dataclass(eq=False, kw_only=True)
class PersonalTokenNotFound(SignerError):
    """The user has no personal access token of this id that holds."""

    code = "personal-token-not-found"
    token: str
