"""What a receiver is told of requests that wait for approvals: that they do, and what became of them.

1. A state is told once. What was waiting and is there no more has ended: it was carried out, or its time is over.
2. A notice says what waits and whom it waits for, and nothing of what is in an artifact.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from signer.domain.approvals import Proposal, Standing, State, demands_document
from signer.domain.timestamps import rfc3339


class Told(StrEnum):
    """What a notice says of a request."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    ENDED = "ended"


# After these something else may be told still.
NOT_OVER = frozenset({Told.WAITING, Told.APPROVED})
_STATES = {
    State.PENDING: Told.WAITING,
    State.APPROVED: Told.APPROVED,
    State.REJECTED: Told.REJECTED,
    State.EXPIRED: Told.EXPIRED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notice. ``message_id`` is the same however often it is sent; ``facts``: JSON values."""

    proposal: str
    told: Told
    facts: Mapping[str, object]

    @property
    def message_id(self) -> str:
        """By which a receiver knows that it had it before."""
        return f"msg_{self.proposal}_{self.told.value}"

    def body(self, at: datetime) -> bytes:
        """The JSON document that is sent."""
        document = {"type": f"approval.{self.told.value}", "timestamp": rfc3339(at), "data": dict(self.facts)}
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def due_notices(told: Mapping[str, Told], now: Sequence[tuple[Proposal, Standing]]) -> tuple[Notice, ...]:
    """What is to be told, the oldest first. ``told``: what was told last of each proposal."""
    found = [
        Notice(proposal=proposal.id, told=state, facts=_facts(proposal, standing))
        for proposal, standing in now
        if (state := _STATES[standing.state]) is not told.get(proposal.id)
    ]
    there = {proposal.id for proposal, _ in now}
    ended = [
        Notice(proposal=id_, told=Told.ENDED, facts={"id": id_})
        for id_, state in told.items()
        if id_ not in there and state in NOT_OVER
    ]
    return (*ended, *found)


def _facts(proposal: Proposal, standing: Standing) -> dict[str, object]:
    subject = proposal.subject
    return {
        "id": proposal.id,
        "kind": subject.kind.value,
        "name": subject.name,
        "key": subject.key,
        "key_version": subject.key_version,
        "sha256": subject.sha256,
        "requester": proposal.requester.identity,
        "lacking": demands_document(standing.lacking),
        "created_at": rfc3339(proposal.created_at),
        "expires_at": rfc3339(proposal.expires_at),
    }
