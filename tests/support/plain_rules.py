"""Deciding by rules one by one, as they are written: the judge of what finds them by an index."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from signer.domain.access.actions import KEY_ACTIONS, SIGNING_ACTIONS, Action
from signer.domain.access.conditions import Circumstances
from signer.domain.access.deciding import (
    _all_keys,
    _denied_by,
    _is_in,
    _not_yet,
    _outside_scope,
    _silence,
    _wrong_purpose,
    answer_of,
)
from signer.domain.access.decisions import Allow, Decision, Deny, KeyFacts, NeedsApproval
from signer.domain.access.emergencies import Passing
from signer.domain.access.policy import Effect, Policy, Rule
from signer.domain.identity import Identity
from signer.domain.requests import SigningRequest


def plain_decision(
    policy: Policy,
    identity: Identity,
    action: Action,
    *,
    key: KeyFacts | None,
    request: SigningRequest | None,
    at: datetime,
    emergency: bool,
    lenient: bool,
) -> Decision:
    """What ``decide`` says, or ``may_ask`` where it is lenient."""
    seen = Circumstances(request=request, at=at, passing=Passing.of(identity) if emergency else None)
    denied = _outside_scope(identity, action, key) or _wrong_purpose(action, key)
    return denied or _by_rules(policy, identity, action, key, seen, lenient=lenient)


def plain_somewhere(policy: Policy, identity: Identity, action: Action) -> Decision:
    """What ``may_somewhere`` says."""
    if identity.scope is None or _is_in(identity.scope.actions, action):
        for rule in _giving(policy, identity, action):
            return Allow(rule=rule.name)
    return _silence(identity, action, None)


def plain_everywhere(policy: Policy, identity: Identity, action: Action, *, at: datetime) -> Decision:
    """What ``may_everywhere`` says."""
    scope = identity.scope
    if scope is not None and not (_is_in(scope.actions, action) and _all_keys(scope.keys.texts)):
        return Deny(reason=f"the credential of {identity.name} is not for {action} of every key", condition="scope")
    for rule in _about(policy, identity, action):
        if rule.effect is Effect.DENY:
            return Deny(reason=f"the rule {rule.name} denies {action} of some keys", rule=rule.name)
    seen = Circumstances(request=None, at=at)
    for rule in _giving(policy, identity, action):
        if (action not in rule.actions or rule.when.judge(seen) is None) and _all_keys(rule.keys.texts):
            return Allow(rule=rule.name)
    return Deny(reason=f"no rule lets {identity.name} {action} every key")


def _by_rules(
    policy: Policy, identity: Identity, action: Action, key: KeyFacts | None, seen: Circumstances, *, lenient: bool
) -> Decision:
    name = key.name if key is not None else None
    rules = _with_key(_about(policy, identity, action), action, name)
    for rule in rules:
        if rule.effect is Effect.DENY:
            unmet = rule.when.judge(seen)
            if unmet is None or (unmet.unknown and not lenient):
                return _denied_by(rule, action, unmet)
    allowing = [rule for rule in rules if rule.effect is Effect.ALLOW]
    if action is Action.READ and name is not None:
        return _reading(policy, identity, allowing, name, seen)
    signing = name is not None and action in SIGNING_ACTIONS
    guarded = signing and any(rule.approvals and rule.keys.fit(str(name)) for rule in policy.rules)
    closest: Deny | None = None
    for rule in allowing:
        answer = answer_of(rule, seen, guarded=guarded, lenient=lenient)
        if isinstance(answer, Allow | NeedsApproval):
            return answer
        closest = closest or _not_yet(rule, answer)
    return closest or _silence(identity, action, key)


def _reading(policy: Policy, identity: Identity, rules: list[Rule], name: str, seen: Circumstances) -> Decision:
    for rule in rules:
        if rule.when.judge(seen) is None:
            return Allow(rule=rule.name)
    for action in sorted(KEY_ACTIONS - {Action.READ}):
        if identity.scope is not None and action not in identity.scope.actions:
            continue
        for rule in _with_key(_about(policy, identity, action), action, name):
            if rule.effect is Effect.ALLOW:
                return Allow(rule=rule.name)
    return _silence(identity, Action.READ, KeyFacts(name=name))


def _about(policy: Policy, identity: Identity, action: Action) -> list[Rule]:
    principals = identity.principals
    return [rule for rule in policy.rules if action in rule.actions and principals & set(rule.principals)]


def _with_key(rules: list[Rule], action: Action, name: str | None) -> list[Rule]:
    if action not in KEY_ACTIONS:
        return rules
    return [rule for rule in rules if name is not None and rule.keys.fit(name)]


def _giving(policy: Policy, identity: Identity, action: Action) -> Iterable[Rule]:
    for each in sorted(KEY_ACTIONS) if action is Action.READ else (action,):
        yield from (rule for rule in _about(policy, identity, each) if rule.effect is Effect.ALLOW)
