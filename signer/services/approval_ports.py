"""What the services need of whoever keeps what waits for approvals; ``storage`` provides it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from signer.domain.approvals import Circle, Proposal, Requester, Subject, Vote
from signer.domain.events import Event


class AccessMovedError(Exception):
    """Access has changed since it was looked at: what was decided by it is decided again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """That a change may be made, as access was at ``revision``.

    ``approval``: the id of what people approved, which is used up by the change; None where nothing asks for that.
    """

    revision: int
    approval: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A proposal with the votes on it."""

    proposal: Proposal
    votes: tuple[Vote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was found, and who there was, at one revision of access."""

    revision: int
    circle: Circle
    case: Case | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProposal:
    """A proposal to be kept, with what it is shown by.

    Attributes:
        document: what shall be, as JSON; for a signature what its kept head does not tell.
        content: of a signature's artifact: its head, or its manifest alone; None where none is kept.
    """

    subject: Subject
    requester: Requester
    document: str
    content: bytes | None = None


class ApprovalStore(Protocol):
    """Proposals and votes. Every write is one transaction, with the leaf that tells of it."""

    def circle(self) -> Seen:
        """Who there is now."""

    def look(self, lookup: str) -> Seen:
        """The proposal of this ``lookup_digest``, ended or not."""

    def find(self, proposal_id: str) -> Seen:
        """The proposal of this id."""

    def cases(self) -> tuple[Case, ...]:
        """All that are kept, the oldest first."""

    def add(self, new: NewProposal) -> Proposal:
        """Keep it, or give the one that is kept already; raises ``ApprovalsExhausted``."""

    def vote(self, vote: Vote, *, revision: int, event: Event) -> None:
        """Keep a vote in the place of the person's last one.

        Raises ``AccessMovedError`` where access is at another revision, and ``ApprovalNotFound``.
        """

    def document(self, proposal_id: str) -> str:
        """What a proposal is shown by, compared with its digest; raises ``ApprovalNotFound``."""

    def content(self, manifest_sha256: str) -> bytes | None:
        """The head, or the manifest, that is kept of an artifact, unverified; None where none is."""

    def kept_of(self, key: str) -> tuple[str, ...]:
        """The digests of the manifests of which something is kept for a key, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenApproval:
    """What was approved, under a revision of access, until when."""

    id: str
    revision: int
    expires_at: datetime
