"""Why a log could not be looked at. What is wrong in one that was is no error: it is what the check finds."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class LogUnreadable(SignerError):
    """A part of a log cannot be read. ``source``: which; ``reason``: the system's, or the service's."""

    code = "log-unreadable"
    source: str
    reason: str


@dataclass(eq=False, kw_only=True)
class LogStateUnusable(SignerError):
    """The file that says how far a log was verified cannot be used."""

    code = "log-state-unusable"
    path: str
    reason: str


@dataclass(eq=False, kw_only=True)
class LogCheckInterrupted(SignerError):
    """A process that checked a part of a log ended before it had an answer."""

    code = "log-check-interrupted"
