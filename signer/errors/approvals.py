"""Refusals of what waits for approvals, and of votes."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError

# Seconds after which whoever waits may ask again.
ASK_AGAIN_SECONDS = 30


@dataclass(eq=False, kw_only=True)
class ApprovalRequired(SignerError):
    """People have to approve this first.

    Attributes:
        about: what it is about, in words.
        approval: the id of what waits; empty where nothing was asked for yet.
        sha256: what an approval has to name.
        lacking: how many of which groups are missing, such as ``2 of qa``.
    """

    code = "approval-required"
    about: str
    approval: str = ""
    sha256: str = ""
    lacking: tuple[str, ...] = ()
    retry_after: int = ASK_AGAIN_SECONDS


@dataclass(eq=False, kw_only=True)
class ApprovalRejected(SignerError):
    """Somebody rejected it, which is final; it can be asked for anew when its time is over."""

    code = "approval-rejected"
    about: str
    approval: str


@dataclass(eq=False, kw_only=True)
class ApprovalUnreachable(SignerError):
    """There are fewer people than would have to approve, without the one who asks. ``demanded``: as ``lacking``."""

    code = "approval-unreachable"
    about: str
    demanded: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class ApprovalsExhausted(SignerError):
    """As much waits already as one caller, or all together, may let wait."""

    code = "approvals-exhausted"
    limit: int
    retry_after: int = ASK_AGAIN_SECONDS


@dataclass(eq=False, kw_only=True)
class ApprovalNotFound(SignerError):
    """Nothing waits under this id, or nothing that the caller may know of."""

    code = "approval-not-found"
    approval: str


@dataclass(eq=False, kw_only=True)
class ApprovalEnded(SignerError):
    """It takes no votes any more. ``state``: rejected or expired."""

    code = "approval-ended"
    approval: str
    state: str


@dataclass(eq=False, kw_only=True)
class ApprovalDigestDiffers(SignerError):
    """The digest in the call is not that of what waits: the caller saw something else."""

    code = "approval-digest-differs"
    approval: str


@dataclass(eq=False, kw_only=True)
class VoteRefused(SignerError):
    """The caller may see it and has no vote on it."""

    code = "vote-refused"
    approval: str
    reason: str
