"""What waits for approvals, as JSON documents."""

from __future__ import annotations

from typing import Any

from signer.domain.approvals import ProposalKind, State, Vote, demands_document
from signer.domain.timestamps import rfc3339
from signer.services.approvals import Waiting


def waiting_document(waiting: Waiting) -> dict[str, Any]:
    """One of a list: what it is, and who is missing."""
    proposal, standing = waiting.proposal, waiting.standing
    subject, requester = proposal.subject, proposal.requester
    return {
        "id": proposal.id,
        "kind": subject.kind.value,
        "about": subject.name,
        "key": subject.key,
        "key_version": subject.key_version,
        "sha256": subject.sha256,
        "rule": subject.rule or None,
        "requester": requester.identity,
        "person": requester.person,
        "created_at": rfc3339(proposal.created_at),
        "expires_at": rfc3339(proposal.expires_at),
        "state": standing.state.value,
        "demands": demands_document(subject.demands),
        "lacking": [] if standing.state is State.REJECTED else demands_document(standing.lacking),
        "votes": [_vote_document(vote, counted=standing.counted.get(vote.person)) for vote in waiting.case.votes],
    }


def shown_document(waiting: Waiting, content: dict[str, Any]) -> dict[str, Any]:
    """One, with all that people approve by. ``content``: as ``ApprovalContents`` tells it."""
    member = "artifact" if waiting.proposal.subject.kind is ProposalKind.SIGNATURE else "change"
    return {**waiting_document(waiting), member: content}


def _vote_document(vote: Vote, *, counted: str | None) -> dict[str, Any]:
    return {
        "person": vote.person,
        "identity": vote.identity,
        "decision": vote.ballot.value,
        "reason": vote.reason or None,
        "at": rfc3339(vote.at),
        "counts_for": counted,
    }
