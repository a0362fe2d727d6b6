"""Asking people for approvals: what waits is found, what does not is made to wait, and what was approved is given.

Who asks again for the very same thing gets the same id, and in the end what they asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

from signer.domain.access.decisions import ApprovalDemand
from signer.domain.approvals import Proposal, Requester, Standing, State, Subject, lookup_digest, reachable, standing
from signer.errors import ApprovalRejected, ApprovalRequired, ApprovalUnreachable
from signer.services.approval_ports import ApprovalStore, Case, GivenApproval, NewProposal, Seen
from signer.services.ports import Clock


class ApprovalDesk:
    """Safe for threads and for several processes: the store decides every race."""

    def __init__(self, *, store: ApprovalStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def given(self, subject: Subject, requester: Requester, *, document: str, content: bytes | None) -> GivenApproval:
        """The approval, where people have given it.

        ``document`` and ``content``: what it is shown by, as ``NewProposal`` has them. Raises ``ApprovalRequired``,
        ``ApprovalRejected``, ``ApprovalUnreachable`` or ``ApprovalsExhausted``.
        """
        seen = self._store.look(lookup_digest(subject, requester))
        case, now = seen.case, self._clock()
        if case is None or now >= case.proposal.expires_at:
            proposal = self._asked(subject, requester, seen, document, content)
            case = Case(proposal=proposal, votes=())
        found = standing(case.proposal, case.votes, seen.circle, now=now)
        if found.state is State.APPROVED:
            return GivenApproval(id=case.proposal.id, revision=seen.revision, expires_at=case.proposal.expires_at)
        raise _refusal(case.proposal, found)

    def _asked(
        self, subject: Subject, requester: Requester, seen: Seen, document: str, content: bytes | None
    ) -> Proposal:
        if not reachable(subject.demands, seen.circle, requester):
            # Nobody waits for what can never come.
            raise ApprovalUnreachable(about=subject.name, demanded=in_words(subject.demands))
        new = NewProposal(subject=subject, requester=requester, document=document, content=content)
        return self._store.add(new)


def in_words(demands: Iterable[ApprovalDemand]) -> tuple[str, ...]:
    """Such as ``2 of qa``."""
    return tuple(f"{demand.count} of {demand.group}" for demand in demands)


def _refusal(proposal: Proposal, found: Standing) -> ApprovalRequired | ApprovalRejected:
    subject = proposal.subject
    if found.state is State.REJECTED:
        return ApprovalRejected(about=subject.name, approval=proposal.id)
    return ApprovalRequired(
        about=subject.name, approval=proposal.id, sha256=subject.sha256, lacking=in_words(found.lacking)
    )
