"""Why a decision is what it is: what each rule of a policy says to one request, for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from signer.domain.access.actions import KEY_ACTIONS, SIGNING_ACTIONS, Action
from signer.domain.access.conditions import Circumstances, Unmet
from signer.domain.access.deciding import answer_of
from signer.domain.access.decisions import Allow, KeyFacts
from signer.domain.access.emergencies import Passing
from signer.domain.access.policy import Effect, Policy, Rule
from signer.domain.identity import Identity
from signer.domain.requests import AnyRequest


class Says(StrEnum):
    """What a rule says."""

    ALLOWS = "allows"
    DENIES = "denies"
    NEEDS_APPROVAL = "needs approval"
    ALLOWS_EMERGENCY = "allows in an emergency"
    NOT_MET = "not met"
    OTHERS = "about others"
    OTHER_ACTIONS = "about other actions"
    OTHER_KEYS = "about other keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """What one rule says. ``condition``, ``sentence``: which of its conditions decided, and why."""

    rule: Rule
    says: Says
    condition: str | None = None
    sentence: str | None = None


def explain(
    policy: Policy,
    identity: Identity,
    action: Action,
    *,
    key: KeyFacts | None,
    request: AnyRequest | None,
    at: datetime,
    emergency: bool = False,
) -> tuple[RuleAnswer, ...]:
    """What each rule says, as written. ``deciding.decide`` draws its decision from the same answers."""
    seen = Circumstances(request=request, at=at, passing=Passing.of(identity) if emergency else None)
    guarded = key is not None and action in SIGNING_ACTIONS and policy.guards(key.name)
    return tuple(_answer(rule, identity, action, key, seen, guarded=guarded) for rule in policy.rules)


def _answer(
    rule: Rule, identity: Identity, action: Action, key: KeyFacts | None, seen: Circumstances, *, guarded: bool
) -> RuleAnswer:
    elsewhere = _not_about(rule, identity, action, key)
    if elsewhere is not None:
        return RuleAnswer(rule=rule, says=elsewhere)
    if action not in rule.actions:
        # Reading, by a rule that allows something else to be done with the key.
        return RuleAnswer(rule=rule, says=Says.ALLOWS)
    if rule.effect is Effect.DENY:
        unmet = rule.when.judge(seen)
        return _of(rule, Says.DENIES if unmet is None or unmet.unknown else Says.NOT_MET, unmet)
    answer = answer_of(rule, seen, guarded=guarded, lenient=False)
    if isinstance(answer, Unmet):
        return _of(rule, Says.NOT_MET, answer)
    if not isinstance(answer, Allow):
        return RuleAnswer(rule=rule, says=Says.NEEDS_APPROVAL)
    return RuleAnswer(rule=rule, says=Says.ALLOWS_EMERGENCY if answer.emergency else Says.ALLOWS)


def _not_about(rule: Rule, identity: Identity, action: Action, key: KeyFacts | None) -> Says | None:
    if not identity.principals & set(rule.principals):
        return Says.OTHERS
    reads = action is Action.READ and rule.effect is Effect.ALLOW and bool(rule.actions & KEY_ACTIONS)
    if action not in rule.actions and not reads:
        return Says.OTHER_ACTIONS
    if action in KEY_ACTIONS and (key is None or not rule.keys.fit(key.name)):
        return Says.OTHER_KEYS
    return None


def _of(rule: Rule, says: Says, unmet: Unmet | None) -> RuleAnswer:
    if unmet is None:
        return RuleAnswer(rule=rule, says=says)
    return RuleAnswer(rule=rule, says=says, condition=unmet.condition, sentence=unmet.sentence)
