"""Changes of what guards a key: made at once where nobody has to be asked, and else when people have approved them.

What is permitted holds for the revision of access at which it was decided. The store compares it in the transaction of
the change, and uses the approval up with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from signer.domain.access.canonical import canonical_text, digest
from signer.domain.access.decisions import ApprovalDemand
from signer.domain.access.policy import Policy
from signer.domain.approvals import Circle, ProposalKind, Subject, demands_document
from signer.errors import ServiceBusy
from signer.services.approval_ports import AccessMovedError, ApprovalStore, Permit
from signer.services.asking import ApprovalDesk
from signer.services.policies import Policies

# The first time, and again where access changes meanwhile.
ROUNDS = 5

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What shall be. ``document``: all of it that decides; approvals are bound to its digest."""

    kind: ProposalKind
    name: str
    demands: tuple[ApprovalDemand, ...]
    document: dict[str, Any]
    key: str | None = None

    @property
    def subject(self) -> Subject:
        """What people approve."""
        return Subject(
            kind=self.kind,
            name=self.name,
            key=self.key,
            sha256=digest(self.document),
            demands=self.demands,
            rule_sha256=digest({"demands": demands_document(self.demands)}),
        )


class ChangeGuard:
    """Safe for threads and for several processes."""

    def __init__(self, *, policies: Policies, store: ApprovalStore, desk: ApprovalDesk) -> None:
        self._policies = policies
        self._store = store
        self._desk = desk

    def holder(self, identity: str) -> str | None:
        """The person of an identity; None where it is nobody's, whatever the policy."""
        return self._store.circle().circle.holders.get(identity)

    def carry_out(
        self, actor: str, change: Callable[[Policy, Circle], Change], act: Callable[[Permit], Result]
    ) -> Result:
        """Do what ``act`` does, if it needs no approvals or has them.

        ``change``: of access as it is now; ``actor``: who asks, as leaves name them. Raises what
        ``ApprovalDesk.given`` raises, and what ``act`` does.
        """
        for _ in range(ROUNDS):
            permit = self._permit(actor, change)
            try:
                return act(permit)
            except AccessMovedError:
                continue
        raise ServiceBusy

    def _permit(self, actor: str, change: Callable[[Policy, Circle], Change]) -> Permit:
        seen = self._store.circle()
        # Not older than the people: whatever changes between the two moves the revision.
        wanted = change(self._policies.present(), seen.circle)
        if not wanted.demands:
            return Permit(revision=seen.revision)
        requester, document = seen.circle.requester(actor), canonical_text(wanted.document)
        given = self._desk.given(wanted.subject, requester, document=document, content=None)
        return Permit(revision=min(seen.revision, given.revision), approval=given.id)
