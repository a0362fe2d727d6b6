"""What guards a key guards its rules, its groups, its people and its life as well: who has to approve which change.

1. Every rule that asks for approvals guards the keys that it is about. Several that guard the same are met together.
2. A policy changes what is guarded unless all rules about those keys stay as they are, in their order, and what is
   added only denies. Patterns are compared so that what might be about the same key is taken to be.
3. A person counts where a rule asks for a group that they are in, enabled or not, or names them for emergencies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from signer.domain.access.canonical import rule_document
from signer.domain.access.decisions import ApprovalDemand
from signer.domain.access.patterns import Pattern
from signer.domain.access.policy import Effect, Policy, Rule
from signer.domain.approvals import Circle, Requester, reachable, strongest

# Of a pattern of a guard and one of a rule. Beyond it every change is one of what is guarded.
MAX_PAIRS = 200_000
PERSON_PREFIX = "person:"
GROUP = "group"
_WILD = "*"


def demands_on_key(policy: Policy, key: str) -> tuple[ApprovalDemand, ...]:
    """Who has to approve what gives a key more; empty where nothing guards it."""
    return _of(policy.guarding(key))


def demands_on_group(policy: Policy, group: str) -> tuple[ApprovalDemand, ...]:
    """Who has to approve a further member of a group."""
    return _of(rule for rule in policy.guardians if any(demand.group == group for demand in rule.approvals))


def demands_on_person(policy: Policy, person: str, circle: Circle) -> tuple[ApprovalDemand, ...]:
    """Who has to approve what lets somebody prove that they are this person."""
    groups = {group for group, members in circle.groups.items() if person in members}
    return _of(
        rule
        for rule in policy.guardians
        if any(demand.group in groups for demand in rule.approvals) or f"{PERSON_PREFIX}{person}" in rule.emergency
    )


def demands_on_policy(before: Policy, after: Policy) -> tuple[ApprovalDemand, ...]:
    """Who has to approve that a policy takes the place of another."""
    guards = before.guardians
    if before.timezone != after.timezone or _pairs(guards, (*before.rules, *after.rules)) > MAX_PAIRS:
        return _of(guards)
    known = {rule.name for rule in before.rules}
    kept = [rule for rule in after.rules if rule.name in known or rule.effect is not Effect.DENY]
    return _of(guard for guard in guards if _about(guard, before.rules) != _about(guard, kept))


def unreachable(policy: Policy, circle: Circle) -> tuple[Rule, ...]:
    """The rules whose approvals nobody could get who may ask for them, as people are now."""
    return tuple(rule for rule in policy.guardians if not _can_be_approved(rule, circle))


def named_groups(policy: Policy) -> frozenset[str]:
    """The groups whose people approve."""
    return frozenset(demand.group for rule in policy.guardians for demand in rule.approvals)


def named_people(policy: Policy) -> frozenset[str]:
    """The people who may pass approvals in an emergency."""
    return frozenset(name.removeprefix(PERSON_PREFIX) for rule in policy.guardians for name in rule.emergency)


def _of(rules: Iterable[Rule]) -> tuple[ApprovalDemand, ...]:
    return strongest(demand for rule in rules for demand in rule.approvals)


def _about(guard: Rule, rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """The rules that may be about a key which it guards."""
    return [rule_document(rule) for rule in rules if _meet(guard, rule)]


def _meet(guard: Rule, rule: Rule) -> bool:
    return any(_overlap(one, other) for one in guard.keys.all for other in rule.keys.all)


def _overlap(one: Pattern, other: Pattern) -> bool:
    """Whether a key may fit both. What stands before the first wild card and behind the last one decides."""
    if one.is_literal:
        return other.fits(one.text)
    if other.is_literal:
        return one.fits(other.text)
    fronts = one.text.partition(_WILD)[0], other.text.partition(_WILD)[0]
    backs = one.text.rpartition(_WILD)[2], other.text.rpartition(_WILD)[2]
    return (fronts[0].startswith(fronts[1]) or fronts[1].startswith(fronts[0])) and (
        backs[0].endswith(backs[1]) or backs[1].endswith(backs[0])
    )


def _pairs(guards: Iterable[Rule], rules: Iterable[Rule]) -> int:
    return sum(len(guard.keys.all) for guard in guards) * sum(len(rule.keys.all) for rule in rules)


def _can_be_approved(rule: Rule, circle: Circle) -> bool:
    return any(reachable(rule.approvals, circle, requester) for requester in _requesters(rule, circle))


def _requesters(rule: Rule, circle: Circle) -> Iterable[Requester]:
    for principal in rule.principals:
        if principal.startswith(PERSON_PREFIX):
            yield Requester(identity=principal, person=principal.removeprefix(PERSON_PREFIX))
            continue
        kind, _, name = principal.partition(":")
        members = circle.groups.get(name) if kind == GROUP else None
        if members:
            yield from (Requester(identity=principal, person=person) for person in sorted(members))
        else:
            yield circle.requester(principal)
