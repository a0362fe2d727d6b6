"""Who looks after users gives nobody more than they have themselves.

What is compared are rules, not what they come to: a rule that allows has to be about the giver too, and one that denies
about whoever is given to.
"""

from __future__ import annotations

from collections.abc import Iterable

from signer.domain.access.policy import Effect, Policy, Rule


def rule_beyond(policy: Policy, *, giver: Iterable[str], given: Iterable[str]) -> Rule | None:
    """The first rule by which ``given`` would have more than ``giver``, both sets of principals; None without one."""
    own, others = frozenset(giver), frozenset(given)
    for rule in policy.rules:
        less, more = (own, others) if rule.effect is Effect.ALLOW else (others, own)
        if not more.isdisjoint(rule.principals) and less.isdisjoint(rule.principals):
            return rule
    return None
