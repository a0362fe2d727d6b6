"""What waits for approvals, for those who approve: seen, approved, rejected.

1. Whoever may ``approve`` with a key sees what waits for that key; with any key, changes that are about several.
2. A vote is a person's: one who is in a group that is asked, did not ask for it, and shows a credential of their own
   that is no pipeline's. Approving needs the digest of what waits.
3. What is decided here is decided under a revision of access. The store keeps the vote only at that one.
"""

from __future__ import annotations

from dataclasses import dataclass

from signer.domain.access.actions import Action
from signer.domain.access.deciding import decide, may_somewhere
from signer.domain.access.decisions import Allow, KeyFacts
from signer.domain.access.emergencies import VOTELESS
from signer.domain.access.policy import Policy
from signer.domain.approval_events import voted_event
from signer.domain.approvals import Ballot, Circle, Proposal, Standing, State, Vote, standing
from signer.domain.identity import Identity
from signer.domain.reasons import checked_reason
from signer.errors import ApprovalDigestDiffers, ApprovalEnded, ApprovalNotFound, ServiceBusy, VoteRefused
from signer.services.access import Extent, require
from signer.services.approval_ports import AccessMovedError, ApprovalStore, Case
from signer.services.change_guard import ROUNDS
from signer.services.policies import Policies
from signer.services.ports import Clock

ENDED = frozenset({State.REJECTED, State.EXPIRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A vote that somebody gives. ``sha256``: what they saw; only a rejection may do without."""

    ballot: Ballot
    sha256: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Something that waits, with the votes on it, and what becomes of it now."""

    case: Case
    standing: Standing

    @property
    def proposal(self) -> Proposal:
        """What waits."""
        return self.case.proposal


class ApprovalService:
    """Safe for threads. ``identity`` None: whoever works on the machine itself, who sees all of it."""

    def __init__(self, *, store: ApprovalStore, policies: Policies, clock: Clock) -> None:
        self._store = store
        self._policies = policies
        self._clock = clock

    def waiting(self, identity: Identity | None) -> tuple[Waiting, ...]:
        """All that the identity may see, the oldest first; what has expired is left out."""
        policy, circle = self._allowed(identity), self._store.circle().circle
        found = (self._waiting(case, circle) for case in self._store.cases() if self._sees(policy, identity, case))
        return tuple(each for each in found if each.standing.state is not State.EXPIRED)

    def show(self, identity: Identity | None, approval: str) -> Waiting:
        """One; raises ``ApprovalNotFound``, also for what the identity may not see."""
        policy, seen = self._allowed(identity), self._store.find(approval)
        if seen.case is None or not self._sees(policy, identity, seen.case):
            raise ApprovalNotFound(approval=approval)
        return self._waiting(seen.case, seen.circle)

    def vote(self, identity: Identity, approval: str, ask: Ask) -> Waiting:
        """Keep a vote, durable when the call returns.

        Raises ``ApprovalNotFound``, ``VoteRefused``, ``ApprovalEnded``, ``ApprovalDigestDiffers`` or ``ReasonInvalid``.
        """
        reason = "" if ask.reason is None else checked_reason(ask.reason)
        for _ in range(ROUNDS):
            seen, policy = self._store.find(approval), self._allowed(identity)
            if seen.case is None or not self._sees(policy, identity, seen.case):
                raise ApprovalNotFound(approval=approval)
            proposal = seen.case.proposal
            person = _voter(identity, proposal, seen.circle)
            self._require_open(self._waiting(seen.case, seen.circle), ask)
            vote = Vote(
                proposal=proposal.id,
                person=person,
                identity=identity.name,
                ballot=ask.ballot,
                reason=reason,
                at=self._clock(),
            )
            try:
                event = voted_event(proposal, vote, _asked_groups(proposal, person, seen.circle))
                self._store.vote(vote, revision=seen.revision, event=event)
            except AccessMovedError:
                continue
            return self.show(None, approval)
        raise ServiceBusy

    def _allowed(self, identity: Identity | None) -> Policy:
        """The policy, under which the identity may approve something; ``AccessDenied`` else."""
        policy = self._policies.present()
        if identity is not None:
            require(policy, identity, Action.APPROVE, None, at=self._clock(), extent=Extent.SOME)
        return policy

    def _require_open(self, waiting: Waiting, ask: Ask) -> None:
        proposal = waiting.proposal
        if waiting.standing.state in ENDED:
            raise ApprovalEnded(approval=proposal.id, state=waiting.standing.state.value)
        if ask.sha256 != proposal.subject.sha256 and (ask.sha256 is not None or ask.ballot is Ballot.APPROVE):
            raise ApprovalDigestDiffers(approval=proposal.id)

    def _waiting(self, case: Case, circle: Circle) -> Waiting:
        return Waiting(case=case, standing=standing(case.proposal, case.votes, circle, now=self._clock()))

    def _sees(self, policy: Policy, identity: Identity | None, case: Case) -> bool:
        if identity is None:
            return True
        key = case.proposal.subject.key
        if key is None:
            return isinstance(may_somewhere(policy, identity, Action.APPROVE), Allow)
        facts, at = KeyFacts(name=key), self._clock()
        return isinstance(decide(policy, identity, Action.APPROVE, key=facts, request=None, at=at), Allow)


def _voter(identity: Identity, proposal: Proposal, circle: Circle) -> str:
    """The person whose vote it is; raises ``VoteRefused``."""
    person, requester = circle.holders.get(identity.name), proposal.requester
    if identity.name.startswith(VOTELESS):
        reason = "pipelines and passwords approve nothing: use a client certificate or an API token of the person"
        raise VoteRefused(approval=proposal.id, reason=reason)
    if person is None or person != identity.person:
        raise VoteRefused(approval=proposal.id, reason="the credential belongs to no person")
    if person in (requester.person, circle.holders.get(requester.identity)):
        raise VoteRefused(approval=proposal.id, reason="who asks for it does not approve it, by no credential")
    if not _asked_groups(proposal, person, circle):
        raise VoteRefused(approval=proposal.id, reason="you are in none of the groups that are asked")
    return person


def _asked_groups(proposal: Proposal, person: str, circle: Circle) -> list[str]:
    asked = {demand.group for demand in proposal.subject.demands}
    return sorted(circle.groups_of(person) & asked)
