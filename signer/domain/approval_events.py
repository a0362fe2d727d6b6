"""The events that tell of proposals and votes."""

from __future__ import annotations

from collections.abc import Iterable

from signer.domain.approvals import Proposal, Vote, demands_document
from signer.domain.events import Event, EventType
from signer.domain.timestamps import rfc3339


def requested_event(proposal: Proposal) -> Event:
    """Somebody asked for something that people have to approve."""
    subject = proposal.subject
    return Event(
        type=EventType.APPROVAL_REQUESTED,
        actor=proposal.requester.identity,
        key=subject.key,
        version=subject.key_version,
        before={},
        after={
            "approval": proposal.id,
            "kind": subject.kind.value,
            "about": subject.name,
            "sha256": subject.sha256,
            "rule": subject.rule or None,
            "rule_sha256": subject.rule_sha256,
            "demands": demands_document(subject.demands),
            "person": proposal.requester.person,
            "expires_at": rfc3339(proposal.expires_at),
        },
    )


def voted_event(proposal: Proposal, vote: Vote, groups: Iterable[str]) -> Event:
    """A person said something. ``groups``: those among the demanded ones that the person is in."""
    return Event(
        type=EventType.APPROVAL_VOTED,
        actor=vote.identity,
        key=proposal.subject.key,
        version=proposal.subject.key_version,
        before={},
        after={
            "approval": proposal.id,
            "decision": vote.ballot.value,
            "person": vote.person,
            "groups": sorted(groups),
            "sha256": proposal.subject.sha256,
            "reason": vote.reason or None,
        },
    )
