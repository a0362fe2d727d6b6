"""What waits for approvals, as JSON documents."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from signer.domain.approvals import Ballot, DemandDocument, ProposalKind, State, Vote, demands_document
from signer.domain.timestamps import Moment, rfc3339
from signer.services.approvals import Waiting


class VoteDocument(TypedDict):
    """What somebody said. ``counts_for``: the group whose place it fills."""

    person: str
    identity: str
    decision: Ballot
    reason: str | None
    at: Moment
    counts_for: str | None


class WaitingDocument(TypedDict):
    """What waits for people. ``sha256``: what an approval has to name."""

    id: str
    kind: ProposalKind
    about: str
    key: str | None
    key_version: int | None
    sha256: str
    rule: str | None
    requester: str
    person: str | None
    created_at: Moment
    expires_at: Moment
    state: State
    demands: list[DemandDocument]
    lacking: list[DemandDocument]
    votes: list[VoteDocument]


class ShownSignature(WaitingDocument):
    """With all that people approve by: what is in the artifact."""

    artifact: dict[str, Any]


class ShownChange(WaitingDocument):
    """With all that people approve by: the document whose digest is approved."""

    change: dict[str, Any]


def waiting_document(waiting: Waiting) -> WaitingDocument:
    """One of a list: what it is, and who is missing."""
    proposal, standing = waiting.proposal, waiting.standing
    subject, requester = proposal.subject, proposal.requester
    return {
        "id": proposal.id,
        "kind": subject.kind,
        "about": subject.name,
        "key": subject.key,
        "key_version": subject.key_version,
        "sha256": subject.sha256,
        "rule": subject.rule or None,
        "requester": requester.identity,
        "person": requester.person,
        "created_at": rfc3339(proposal.created_at),
        "expires_at": rfc3339(proposal.expires_at),
        "state": standing.state,
        "demands": demands_document(subject.demands),
        "lacking": [] if standing.state is State.REJECTED else demands_document(standing.lacking),
        "votes": [_vote_document(vote, counted=standing.counted.get(vote.person)) for vote in waiting.case.votes],
    }


def shown_document(waiting: Waiting, content: dict[str, Any]) -> ShownSignature | ShownChange:
    """One, with all that people approve by. ``content``: as ``ApprovalContents`` tells it."""
    if waiting.proposal.subject.kind is ProposalKind.SIGNATURE:
        return {**waiting_document(waiting), "artifact": content}
    return {**waiting_document(waiting), "change": content}


def _vote_document(vote: Vote, *, counted: str | None) -> VoteDocument:
    return {
        "person": vote.person,
        "identity": vote.identity,
        "decision": vote.ballot,
        "reason": vote.reason or None,
        "at": rfc3339(vote.at),
        "counts_for": counted,
    }
