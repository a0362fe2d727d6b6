"""Refusals of steps in the life of keys, and of their certificates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from signer.errors.base import SignerError


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
class CreationUnfinished(SignerError):
    """The token failed while it made a pair, and does not tell whether it holds it: the version stays pending."""

    code = "creation-unfinished"
    key: str
    version: int
    token: str


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
class ClockLeapt(SignerError):
    """The clock was set while the service ran. ``seconds``: by how much, forward; negative: back."""

    code = "clock-leapt"
    seconds: int


@dataclass(eq=False, kw_only=True)
class ClockMovedBack(SignerError):
    """The clock is before the newest thing on record: validity cannot be judged."""

    code = "clock-moved-back"
    now: datetime
    newest: datetime


@dataclass(eq=False, kw_only=True)
class ClockDiffers(SignerError):
    """The clock is not that of the database's server. ``seconds``: how far ahead of it; negative: behind."""

    code = "clock-differs"
    seconds: int
    tolerance: float


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
