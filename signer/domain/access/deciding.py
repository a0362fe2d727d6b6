"""The one decision: whether an identity may do something, by the rules in force.

1. What the credential's own scope does not cover is denied before any rule is asked.
2. A rule that denies wins, also where too little was shown to tell whether it applies. Of those that allow, the first
   whose conditions are all met decides. Without one the answer is no.
3. The name of a key decides before anybody looks whether it exists: the answer to a stranger is the same either way.
4. Whoever may do anything with a key may read it, that is, its public keys: what looks at artifacts guards no reading.
5. A rule without approvals lets nobody sign with a key that another rule guards with them.
6. Who names an emergency is allowed only what a rule with approvals allows to people whom it names for that.
7. What rules say that ask for nothing of an artifact or of the moment is kept for as long as they are in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from signer.domain.access.actions import KEY_ACTIONS, SIGNING_ACTIONS, Action
from signer.domain.access.canonical import digest, rule_document
from signer.domain.access.conditions import Circumstances, Unmet
from signer.domain.access.decisions import Allow, Decision, Deny, FloorDemand, KeyFacts, NeedsApproval
from signer.domain.access.emergencies import Passing
from signer.domain.access.policy import Policy, Rule
from signer.domain.identity import Identity
from signer.domain.keys import Purpose
from signer.domain.requests import AnyRequest


def decide(
    policy: Policy,
    identity: Identity,
    action: Action,
    *,
    key: KeyFacts | None,
    request: AnyRequest | None,
    at: datetime,
    emergency: bool = False,
) -> Decision:
    """Whether the identity may do this, with this key, to what was shown of an artifact, at this moment.

    ``emergency``: they ask to pass approvals.
    """
    settled = None if key is None or emergency else policy.settled.find((identity, action, key))
    if settled is not None:
        return settled
    seen = Circumstances(request=request, at=at, passing=Passing.of(identity) if emergency else None)
    return _decided(policy, identity, action, key, seen, lenient=False)


def may_ask(
    policy: Policy, identity: Identity, action: Action, *, key: KeyFacts, at: datetime, emergency: bool = False
) -> Decision:
    """Whether the identity may ask for this at all: what is known before anything of an artifact is shown.

    Whatever it may come to be is left open. An allowance lets a body be read, and nothing else.
    """
    settled = None if emergency else policy.settled.find((identity, action, key))
    if settled is not None:
        return settled
    seen = Circumstances(request=None, at=at, passing=Passing.of(identity) if emergency else None)
    return _decided(policy, identity, action, key, seen, lenient=True)


def purpose_denial(action: Action, key: KeyFacts) -> Deny | None:
    """Why a key of this purpose is not for the action, whoever asks; ``may_ask`` says the rest by its name alone."""
    return _wrong_purpose(action, key)


def may_somewhere(policy: Policy, identity: Identity, action: Action) -> Allow | Deny:
    """Whether there may be a key with which the identity may do this: what is known before one is named."""
    scope = identity.scope
    if scope is None or _is_in(scope.actions, action):
        for rule in _about_any_key(policy, identity, action):
            return Allow(rule=rule.name)
    return _silence(identity, action, None)


def may_everywhere(policy: Policy, identity: Identity, action: Action, *, at: datetime) -> Allow | Deny:
    """Whether the identity may do this with every key, those that are still to come too."""
    scope = identity.scope
    if scope is not None and not (_is_in(scope.actions, action) and _all_keys(scope.keys.texts)):
        return Deny(reason=f"the credential of {identity.name} is not for {action} of every key", condition="scope")
    seen = Circumstances(request=None, at=at)
    for rule in policy.marked(policy.index.about(identity.principals, action) & policy.denying):
        return Deny(reason=f"the rule {rule.name} denies {action} of some keys", rule=rule.name)
    for rule in _about_any_key(policy, identity, action):
        holds = action not in rule.actions or rule.when.judge(seen) is None
        if holds and _all_keys(rule.keys.texts):
            return Allow(rule=rule.name)
    return Deny(reason=f"no rule lets {identity.name} {action} every key")


def readable(policy: Policy, identity: Identity, *, at: datetime) -> Callable[[str], bool]:
    """Which keys the identity may know of, by their names."""
    seen = Circumstances(request=None, at=at)

    def may_read(name: str) -> bool:
        key = KeyFacts(name=name)
        if _outside_scope(identity, Action.READ, key) is not None:
            return False
        return isinstance(_by_rules(policy, identity, Action.READ, key, seen, lenient=False), Allow)

    return may_read


def _decided(
    policy: Policy, identity: Identity, action: Action, key: KeyFacts | None, seen: Circumstances, *, lenient: bool
) -> Decision:
    """As ``_judged``; kept where none of the rules asks for anything, so that what is shown decides nothing."""
    if key is None or seen.passing is not None:
        return _judged(policy, identity, action, key, seen, lenient=lenient)
    decision = _judged(policy, identity, action, key, seen, lenient=lenient)
    # Who lists many keys is not to push out what each signature asks for.
    if action in SIGNING_ACTIONS and not policy.asking & policy.index.with_key(identity.principals, action, key.name):
        policy.settled.keep((identity, action, key), decision)
    return decision


def _judged(
    policy: Policy, identity: Identity, action: Action, key: KeyFacts | None, seen: Circumstances, *, lenient: bool
) -> Decision:
    denied = _outside_scope(identity, action, key) or _wrong_purpose(action, key)
    return denied or _by_rules(policy, identity, action, key, seen, lenient=lenient)


def _by_rules(
    policy: Policy, identity: Identity, action: Action, key: KeyFacts | None, seen: Circumstances, *, lenient: bool
) -> Decision:
    name = key.name if key is not None else None
    index = policy.index
    about = index.with_key(identity.principals, action, name)
    denying = about & policy.denying
    if denying:
        stopping = index.perhaps_met(denying, seen) if lenient else index.not_refuted(denying, seen)
        for rule in policy.marked(stopping):
            unmet = rule.when.judge(seen)
            if unmet is None or (unmet.unknown and not lenient):
                return _denied_by(rule, action, unmet)
    allowing = about & ~policy.denying
    if action is Action.READ and name is not None:
        return _reading(policy, identity, allowing, name, seen)
    guarded = name is not None and action in SIGNING_ACTIONS and policy.guards(name)
    asked = allowing & policy.approving if guarded or seen.passing is not None else allowing
    asked = index.not_refuted(asked, seen) if lenient else index.perhaps_met(asked, seen)
    for rule in policy.marked(asked):
        answer = answer_of(rule, seen, guarded=guarded, lenient=lenient)
        if not isinstance(answer, Unmet):
            return answer
    # None of them allows it: only now somebody wants to know what the first one says.
    for rule in policy.marked(allowing):
        answer = answer_of(rule, seen, guarded=guarded, lenient=lenient)
        if isinstance(answer, Unmet):
            return _not_yet(rule, answer)
    return _silence(identity, action, key)


def answer_of(rule: Rule, seen: Circumstances, *, guarded: bool, lenient: bool) -> Allow | NeedsApproval | Unmet:
    """What a rule that allows says, whose key and action fit. ``guarded``: another rule asks for approvals."""
    unmet = rule.when.judge(seen)
    if unmet is not None and not (unmet.unknown and lenient):
        return unmet
    if guarded and not rule.approvals:
        return Unmet(condition="approvals", sentence="the key is guarded by approvals, and this rule asks for none")
    if seen.passing is not None:
        kept = seen.passing.unmet(approvals=bool(rule.approvals), named=rule.emergency)
        if kept is not None:
            return Unmet(condition="emergency", sentence=kept)
    floors: tuple[FloorDemand, ...] = ()
    if rule.version is not None and not lenient:
        demanded = rule.version.floors(seen.request)
        if isinstance(demanded, Unmet):
            return demanded
        floors = demanded
    if not rule.approvals or seen.passing is not None:
        return Allow(rule=rule.name, floors=floors, limits=rule.limits, emergency=seen.passing is not None)
    return NeedsApproval(
        rule=rule.name,
        rule_sha256=digest(rule_document(rule)),
        demands=rule.approvals,
        floors=floors,
        limits=rule.limits,
    )


def _reading(policy: Policy, identity: Identity, allowing: int, name: str, seen: Circumstances) -> Allow | Deny:
    for rule in policy.marked(policy.index.perhaps_met(allowing, seen)):
        if rule.when.judge(seen) is None:
            return Allow(rule=rule.name)
    scope = identity.scope
    for action in sorted(KEY_ACTIONS - {Action.READ}):
        if scope is not None and action not in scope.actions:
            continue
        about = policy.index.with_key(identity.principals, action, name)
        for rule in policy.marked(about & ~policy.denying):
            return Allow(rule=rule.name)
    return _silence(identity, Action.READ, KeyFacts(name=name))


def _outside_scope(identity: Identity, action: Action, key: KeyFacts | None) -> Deny | None:
    scope = identity.scope
    if scope is None:
        return None
    if not _is_in(scope.actions, action):
        return Deny(reason=f"the credential of {identity.name} is not for {action}", condition="scope")
    if key is not None and not scope.keys.fit(key.name):
        return Deny(reason=f"the credential of {identity.name} is not for the key {key.name}", condition="scope")
    return None


def _is_in(actions: frozenset[Action], action: Action) -> bool:
    """Whether the actions have this one in them: reading is in whatever is done with a key."""
    return action in actions or (action is Action.READ and bool(actions & KEY_ACTIONS))


def _about_any_key(policy: Policy, identity: Identity, action: Action) -> Iterator[Rule]:
    """The rules that give the action with some key, in their order for each action that does."""
    for each in sorted(KEY_ACTIONS) if action is Action.READ else (action,):
        yield from policy.marked(policy.index.about(identity.principals, each) & ~policy.denying)


def _all_keys(patterns: Sequence[str]) -> bool:
    # No name of a key has what separates segments, so that both stand for all of them.
    return "*" in patterns or "**" in patterns


def _wrong_purpose(action: Action, key: KeyFacts | None) -> Deny | None:
    if key is None or key.purpose in (None, Purpose.ARTIFACT) or action not in SIGNING_ACTIONS:
        return None
    return Deny(reason=f"key {key.name} is for {key.purpose}, only artifact keys sign artifacts")


def _denied_by(rule: Rule, action: Action, unmet: Unmet | None) -> Deny:
    if unmet is None:
        return Deny(reason=f"the rule {rule.name} denies {action}", rule=rule.name)
    reason = f"the rule {rule.name} may deny {action}: {unmet.condition}: {unmet.sentence}"
    return Deny(reason=reason, rule=rule.name, condition=unmet.condition)


def _not_yet(rule: Rule, unmet: Unmet) -> Deny:
    reason = f"the rule {rule.name} does not allow it: {unmet.condition}: {unmet.sentence}"
    return Deny(reason=reason, rule=rule.name, condition=unmet.condition)


def _silence(identity: Identity, action: Action, key: KeyFacts | None) -> Deny:
    with_key = f" with the key {key.name}" if key is not None else ""
    return Deny(reason=f"no rule lets {identity.name} {action}{with_key}")
