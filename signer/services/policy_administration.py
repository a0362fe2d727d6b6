"""Putting policies in force: read whole, refused where nobody could apply the next, told by a leaf.

1. A policy is parsed before anything else; what cannot be used is never stored.
2. After it at least one identity may administer, now, that is somebody's: its credential is on record and valid; or it
   is one of a certificate or a pipeline that the settings know, and it was assigned to a person who is enabled. Of
   others nothing says that anybody holds one.
3. Whoever may ask under a rule with approvals has people enough who could give them, now.
4. What changes the rules of a key that is guarded by approvals waits for them, but for a glass that is broken.
5. What is applied was made for the revision that is in force, or is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from signer.domain.access.actions import Action
from signer.domain.access.changes import RuleChange, rule_changes
from signer.domain.access.deciding import decide
from signer.domain.access.decisions import Allow, ApprovalDemand
from signer.domain.access.futility import Futile, futile
from signer.domain.access.guards import demands_on_policy, unreachable
from signer.domain.access.policy import Policy, Rule
from signer.domain.access.reading import parse_policy
from signer.domain.access.tables import MAX_PROBLEMS
from signer.domain.identity import Identity
from signer.domain.policy_events import applied_event
from signer.domain.reasons import checked_reason
from signer.errors import PolicyChanged, PolicyInvalid, PolicyLocksOut, PolicyUnchanged
from signer.services import guarded
from signer.services.access_ports import KnownIdentities, NewPolicy, PolicyStore, StoredPolicy
from signer.services.approval_ports import ApprovalStore
from signer.services.asking import in_words
from signer.services.change_guard import ChangeGuard
from signer.services.ports import Clock

UNREADABLE = "the one in force cannot be read by this release: apply with --config and --break-glass"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyProposal:
    """A text that is to become the policy.

    Attributes:
        expected: the revision that it was made for; None: whichever is in force.
        break_glass: past what guards the policy; only on the machine itself.
    """

    text: str
    reason: str
    expected: int | None = None
    break_glass: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPreview:
    """What a policy would change.

    ``concerned``: by rule, the identities on record that it is about; ``demands``: who would have to approve it;
    ``futile``: what of it could do nothing.
    """

    revision: int
    rules: int
    changes: tuple[RuleChange, ...]
    concerned: tuple[tuple[str, ...], ...]
    administrators: tuple[str, ...]
    demands: tuple[ApprovalDemand, ...]
    futile: tuple[Futile, ...]


class PolicyAdministration:
    """Shows and applies policies. Safe for threads."""

    def __init__(
        self,
        *,
        store: PolicyStore,
        identities: KnownIdentities,
        clock: Clock,
        approvals: ApprovalStore,
        guard: ChangeGuard,
        read: Callable[[str], Policy] = parse_policy,
    ) -> None:
        self._store = store
        self._identities = identities
        self._clock = clock
        self._approvals = approvals
        self._guard = guard
        self._read = read

    def show(self, revision: int | None = None) -> StoredPolicy:
        """The policy in force, or one that was; raises ``PolicyRevisionNotFound``."""
        return self._store.current() if revision is None else self._store.revision(revision)

    def revisions(self) -> tuple[StoredPolicy, ...]:
        """All that were applied, oldest first."""
        return self._store.revisions()

    def administrators(self) -> tuple[str, ...]:
        """The identities on record that could apply the next policy; raises ``PolicyInvalid``."""
        policy = self._read(self._store.current().text)
        return self._administrators(policy, self._identities.valid(self._clock()))

    def preview(self, text: str, *, expected: int | None = None) -> PolicyPreview:
        """What applying it would change, and for whom; raises what ``apply`` would, the reason's apart."""
        current, policy = self._checked(text, expected)
        identities = self._identities.valid(self._clock())
        known = self._known(current)
        changes = rule_changes(known, policy)
        return PolicyPreview(
            revision=current.revision + 1,
            rules=len(policy.rules),
            changes=changes,
            concerned=tuple(change.concerned(identities) for change in changes),
            administrators=self._administrators(policy, identities),
            demands=demands_on_policy(known, policy),
            futile=futile(policy, self._identities.present(self._clock())),
        )

    def futile(self) -> tuple[Futile, ...]:
        """What of the policy in force can do nothing as things are; raises ``PolicyInvalid``."""
        return futile(self._read(self._store.current().text), self._identities.present(self._clock()))

    def apply(self, proposal: PolicyProposal, *, actor: str) -> StoredPolicy:
        """Put the text in force, durable when the call returns.

        Raises ``PolicyInvalid``, ``PolicyUnchanged``, ``PolicyChanged``, ``PolicyLocksOut``, ``ReasonInvalid``, and
        what ``ApprovalDesk.given`` raises where it changes what guards a key.
        """
        reason = checked_reason(proposal.reason)
        current, policy = self._checked(proposal.text, proposal.expected)
        new = NewPolicy(
            text=proposal.text,
            sha256=hashlib.sha256(proposal.text.encode()).hexdigest(),
            expected=current.revision,
            actor=actor,
            reason=reason,
            break_glass=proposal.break_glass,
        )
        event = applied_event(
            revision=current.revision + 1,
            text=new.text,
            sha256=new.sha256,
            rules=len(policy.rules),
            actor=actor,
            reason=reason,
            break_glass=new.break_glass,
        )
        if new.break_glass:
            return self._store.apply(new, event)
        self._require_readable(current)
        return self._guard.carry_out(
            actor,
            lambda present, circle: guarded.applied(present, circle, policy, new.text, new.expected),
            lambda permit: self._store.apply(new, event, permit=permit),
        )

    def _require_readable(self, current: StoredPolicy) -> None:
        """Nobody knows what a policy guards that this release cannot read: then only a broken glass goes past it."""
        try:
            self._read(current.text)
        except PolicyInvalid:
            raise PolicyInvalid(problems=(UNREADABLE,)) from None

    def _checked(self, text: str, expected: int | None) -> tuple[StoredPolicy, Policy]:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise PolicyInvalid(problems=("it holds halves of characters, which no file does",)) from None
        policy = self._read(text)
        current = self._store.current()
        if expected is not None and expected != current.revision:
            raise PolicyChanged(expected=expected, found=current.revision)
        if text == current.text:
            raise PolicyUnchanged(revision=current.revision)
        identities = self._identities.valid(self._clock())
        if not self._administrators(policy, identities):
            raise PolicyLocksOut(looked_at=len(identities))
        lost = unreachable(policy, self._approvals.circle().circle)
        if lost:
            raise PolicyInvalid(problems=tuple(_unreachable(rule) for rule in lost[:MAX_PROBLEMS]))
        return current, policy

    def _administrators(self, policy: Policy, identities: tuple[Identity, ...]) -> tuple[str, ...]:
        at = self._clock()
        return tuple(
            identity.name
            for identity in identities
            if isinstance(decide(policy, identity, Action.ADMINISTER, key=None, request=None, at=at), Allow)
        )

    def _known(self, stored: StoredPolicy) -> Policy:
        """The rules in force; none where this release cannot read them, so that it can be mended."""
        try:
            return self._read(stored.text)
        except PolicyInvalid:
            return self._read("version = 1\n")


def _unreachable(rule: Rule) -> str:
    demanded = " and ".join(in_words(rule.approvals))
    return (
        f"rule {rule.name}.approvals: {demanded} have to approve, and without the one who asks there are fewer people"
    )
