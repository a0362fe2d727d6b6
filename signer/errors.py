"""Every refusal of the service: a stable ``code`` and its facts as fields.

Sentences for people are written in ``web.problems``; these classes know nothing of HTTP. Facts never hold a
secret.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import ClassVar


@dataclass(eq=False, kw_only=True)
class SignerError(Exception):
    """Base of all refusals. ``code`` is stable and documented in docs/api/errors.md."""

    code: ClassVar[str]

    @property
    def facts(self) -> dict[str, object]:
        """The fields by name, for problem documents and log lines."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def __str__(self) -> str:
        return " ".join([self.code, *(f"{name}={value!r}" for name, value in self.facts.items())])


# --- the request as such ---------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class InvalidRequest(SignerError):
    """The JSON body or a parameter is not what the route takes. ``problems``: one sentence per field."""

    code = "invalid-request"
    problems: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class EmptyBody(SignerError):
    """A body was needed and none came."""

    code = "empty-body"


@dataclass(eq=False, kw_only=True)
class BodyTooLarge(SignerError):
    """The body exceeds a configured limit. ``limit``: bytes; ``setting``: its name."""

    code = "body-too-large"
    limit: int
    setting: str


@dataclass(eq=False, kw_only=True)
class BodyInterrupted(SignerError):
    """The client went away, or sent nothing for too long, before the body was complete."""

    code = "body-interrupted"
    received: int
    expected: int | None


@dataclass(eq=False, kw_only=True)
class ArtifactIncomplete(SignerError):
    """The body ends inside the artifact and is too long to be meant as a head. Sizes in bytes."""

    code = "artifact-incomplete"
    received: int
    head_limit: int


@dataclass(eq=False, kw_only=True)
class SignedAlready(SignerError):
    """The artifact carries a signature, and replacing it was not asked for."""

    code = "signed-already"


@dataclass(eq=False, kw_only=True)
class SpoolFull(SignerError):
    """No room to hold the artifact while it is checked. ``needed``: bytes, if known."""

    code = "spool-full"
    needed: int | None


# --- who and whether -------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class CredentialsMissing(SignerError):
    """No credential came with the request."""

    code = "credentials-missing"


@dataclass(eq=False, kw_only=True)
class CredentialsRejected(SignerError):
    """A credential came and proves nothing. Which part is wrong is not said."""

    code = "credentials-rejected"


@dataclass(eq=False, kw_only=True)
class AccessDenied(SignerError):
    """The identity is known and may not do this."""

    code = "access-denied"
    identity: str
    reason: str


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


# --- keys and their life ---------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class InvalidName(SignerError):
    """Not a name of a key or an API token."""

    code = "invalid-name"
    name: str


@dataclass(eq=False, kw_only=True)
class AlgorithmNotAllowed(SignerError):
    """Unknown, or keys of this purpose may not use it."""

    code = "algorithm-not-allowed"
    algorithm: str
    purpose: str
    allowed: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class KeyNameTaken(SignerError):
    """A key of this name exists, or once existed: names are not used twice."""

    code = "key-name-taken"
    key: str


@dataclass(eq=False, kw_only=True)
class KeyNotFound(SignerError):
    """No key has this name."""

    code = "key-not-found"
    key: str


@dataclass(eq=False, kw_only=True)
class VersionNotFound(SignerError):
    """The key has no version of this number."""

    code = "version-not-found"
    key: str
    version: int


@dataclass(eq=False, kw_only=True)
class VersionHasNoPair(SignerError):
    """The version is recorded, but its key pair was never made."""

    code = "version-has-no-pair"
    key: str
    version: int


@dataclass(eq=False, kw_only=True)
class StepNotAllowed(SignerError):
    """The transition table lacks this step from this state. ``allowed``: the steps it has."""

    code = "step-not-allowed"
    key: str
    version: int
    state: str
    step: str
    allowed: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class NoNextVersion(SignerError):
    """A rotation needs a prepared version and there is none."""

    code = "no-next-version"
    key: str


@dataclass(eq=False, kw_only=True)
class NextVersionExists(SignerError):
    """A next version is prepared already (or its preparation was interrupted)."""

    code = "next-version-exists"
    key: str
    version: int
    state: str


@dataclass(eq=False, kw_only=True)
class ActiveVersionExists(SignerError):
    """Enabling would make a second active version."""

    code = "active-version-exists"
    key: str
    version: int


@dataclass(eq=False, kw_only=True)
class NotInEveryToken(SignerError):
    """The version is missing in tokens that the key has to live in; ``unreachable`` could not be asked."""

    code = "not-in-every-token"
    key: str
    version: int
    missing: tuple[str, ...]
    unreachable: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class ConfirmationMismatch(SignerError):
    """Destroying needs the key's name once more, and what came is not it."""

    code = "confirmation-mismatch"
    key: str


@dataclass(eq=False, kw_only=True)
class StateChanged(SignerError):
    """Another call changed the key in the meantime; nothing was done."""

    code = "state-changed"
    key: str


@dataclass(eq=False, kw_only=True)
class TokenNotConfigured(SignerError):
    """No token of this name is in the configuration."""

    code = "token-not-configured"
    token: str
    configured: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class PairNotSuitable(SignerError):
    """A pair in the token cannot be adopted. ``reason``: a sentence."""

    code = "pair-not-suitable"
    reason: str


@dataclass(eq=False, kw_only=True)
class PairInUse(SignerError):
    """The pair belongs to another key version already."""

    code = "pair-in-use"
    fingerprint: str


@dataclass(eq=False, kw_only=True)
class ClockMovedBack(SignerError):
    """The clock is before the newest thing on record: validity cannot be judged."""

    code = "clock-moved-back"
    now: datetime
    newest: datetime


# --- signing ---------------------------------------------------------------------------------------------------


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


# --- publication -----------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class NoTrustedVersion(SignerError):
    """No version of the key is one that a device should trust now; an empty list of keys is never given out."""

    code = "no-trusted-version"
    key: str


# --- certificates ----------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class CertificateNotFound(SignerError):
    """The version has no certificate."""

    code = "certificate-not-found"
    key: str
    version: int


@dataclass(eq=False, kw_only=True)
class CertificateRejected(SignerError):
    """A certificate, subject or validity cannot be accepted. ``reason``: a sentence."""

    code = "certificate-rejected"
    reason: str


# --- the installation ------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class DatabaseUnavailable(SignerError):
    """The database does not answer, or not in time."""

    code = "database-unavailable"


@dataclass(eq=False, kw_only=True)
class DatabaseDamaged(SignerError):
    """The database is not there, is none, or is damaged. ``damage``: what was found, a sentence each."""

    code = "database-damaged"
    damage: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class DatabaseRevisionMismatch(SignerError):
    """The database's schema is not the one this release works with."""

    code = "database-revision-mismatch"
    found: str | None
    expected: str


@dataclass(eq=False, kw_only=True)
class ConfigurationInvalid(SignerError):
    """The configuration cannot be used. ``problems``: one sentence per setting."""

    code = "configuration-invalid"
    path: str
    problems: tuple[str, ...]
