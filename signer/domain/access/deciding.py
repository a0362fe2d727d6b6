"""The one decision: whether an identity may do something, by the rules in force.

1. What the credential's own scope does not cover is denied before any rule is asked.
2. A rule that denies wins. Without a rule that allows, the answer is no.
3. The name of a key decides before anybody looks whether it exists: the answer to a stranger is the same either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from signer.domain.access.actions import KEY_ACTIONS, Action
from signer.domain.access.decisions import Allow, Decision, Deny, KeyFacts
from signer.domain.access.policy import Effect, Policy, Rule
from signer.domain.identity import Identity
from signer.domain.requests import SigningRequest


def decide(
    policy: Policy,
    identity: Identity,
    action: Action,
    *,
    key: KeyFacts | None,
    request: SigningRequest | None,  # noqa: ARG001  (what conditions look at)
    at: datetime,  # noqa: ARG001  (what conditions look at)
) -> Decision:
    """Whether the identity may do this, with this key, to what was seen of an artifact, at this moment."""
    denied = _outside_scope(identity, action, key)
    if denied is not None:
        return denied
    rules = _covering(policy, identity, action, key)
    for rule in rules:
        if rule.effect is Effect.DENY:
            return Deny(reason=f"the rule {rule.name} denies {action}", rule=rule.name)
    for rule in rules:
        if rule.effect is Effect.ALLOW:
            return Allow(rule=rule.name)
    return Deny(reason=f"no rule lets {identity.name} {action}{_with(key)}")


def _outside_scope(identity: Identity, action: Action, key: KeyFacts | None) -> Deny | None:
    scope = identity.scope
    if scope is None:
        return None
    if action not in scope.actions:
        return Deny(reason=f"the credential of {identity.name} is not for {action}", condition="scope")
    if key is not None and not any(pattern.fits(key.name) for pattern in scope.keys):
        return Deny(reason=f"the credential of {identity.name} is not for the key {key.name}", condition="scope")
    return None


def _covering(policy: Policy, identity: Identity, action: Action, key: KeyFacts | None) -> Sequence[Rule]:
    rules = policy.about(identity.principals, action)
    if action not in KEY_ACTIONS:
        return rules
    return [rule for rule in rules if rule.covers(key.name)] if key is not None else ()


def _with(key: KeyFacts | None) -> str:
    return f" with the key {key.name}" if key is not None else ""
