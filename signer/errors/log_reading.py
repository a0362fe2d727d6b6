"""Refusals of what is asked of the log."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class LogPathInvalid(SignerError):
    """The path below the log's prefix is not the one spelling of a tile or bundle (C2SP tlog-tiles)."""

    code = "log-path-invalid"


@dataclass(eq=False, kw_only=True)
class LogBeyondCheckpoint(SignerError):
    """What is asked for lies beyond the newest checkpoint, which covers ``size`` leaves."""

    code = "log-beyond-checkpoint"
    size: int


@dataclass(eq=False, kw_only=True)
class LogEntryNotFound(SignerError):
    """No leaf up to the newest checkpoint records a signature of this manifest by this key."""

    code = "log-entry-not-found"
    key: str
    manifest_sha256: str


@dataclass(eq=False, kw_only=True)
class LogNotWitnessed(SignerError):
    """No checkpoint that covers ``index`` is known here to be signed by a witness."""

    code = "log-not-witnessed"
    index: int


@dataclass(eq=False, kw_only=True)
class LogNotCertified(SignerError):
    """What was recorded at ``index`` is covered by no checkpoint yet."""

    code = "log-not-certified"
    index: int
