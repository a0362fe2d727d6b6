"""Every refusal of the service: a stable ``code`` and its facts as fields.

Sentences for people are written in ``web.problems``; these classes know nothing of HTTP. Facts never hold a
secret.
"""

from __future__ import annotations

from signer.errors.access import (
    AccessDenied,
    ApiTokenNameTaken,
    ApiTokenNotFound,
    CredentialsMissing,
    CredentialsRejected,
)
from signer.errors.base import (
    SignerError,
)
from signer.errors.installation import (
    ConfigurationInvalid,
    DatabaseDamaged,
    DatabaseFileLost,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseRevisionMismatch,
    DatabaseUnavailable,
)
from signer.errors.keys import (
    ActiveVersionExists,
    AlgorithmNotAllowed,
    CertificateNotFound,
    CertificateRejected,
    ClockMovedBack,
    ConfirmationMismatch,
    CreationUnfinished,
    InvalidName,
    KeyNameTaken,
    KeyNotFound,
    NextVersionExists,
    NoNextVersion,
    NotInEveryToken,
    PairInUse,
    PairNotSuitable,
    StateChanged,
    StepNotAllowed,
    TokenNotConfigured,
    VersionHasNoPair,
    VersionNotFound,
)
from signer.errors.requests import (
    ArtifactIncomplete,
    BodyInterrupted,
    BodyTooLarge,
    EmptyBody,
    InvalidRequest,
    SignedAlready,
    SpoolFull,
    SpoolUnusable,
)
from signer.errors.signing import (
    MessageNotAllowed,
    NoActiveVersion,
    NoTrustedVersion,
    SignatureLimitReached,
    VersionExpired,
    VersionNotYetValid,
    VersionQuarantined,
)

__all__ = [
    "AccessDenied",
    "ActiveVersionExists",
    "AlgorithmNotAllowed",
    "ApiTokenNameTaken",
    "ApiTokenNotFound",
    "ArtifactIncomplete",
    "BodyInterrupted",
    "BodyTooLarge",
    "CertificateNotFound",
    "CertificateRejected",
    "ClockMovedBack",
    "ConfigurationInvalid",
    "ConfirmationMismatch",
    "CreationUnfinished",
    "CredentialsMissing",
    "CredentialsRejected",
    "DatabaseDamaged",
    "DatabaseFileLost",
    "DatabaseFull",
    "DatabaseReadOnly",
    "DatabaseRevisionMismatch",
    "DatabaseUnavailable",
    "EmptyBody",
    "InvalidName",
    "InvalidRequest",
    "KeyNameTaken",
    "KeyNotFound",
    "MessageNotAllowed",
    "NextVersionExists",
    "NoActiveVersion",
    "NoNextVersion",
    "NoTrustedVersion",
    "NotInEveryToken",
    "PairInUse",
    "PairNotSuitable",
    "SignatureLimitReached",
    "SignedAlready",
    "SignerError",
    "SpoolFull",
    "SpoolUnusable",
    "StateChanged",
    "StepNotAllowed",
    "TokenNotConfigured",
    "VersionExpired",
    "VersionHasNoPair",
    "VersionNotFound",
    "VersionNotYetValid",
    "VersionQuarantined",
]
