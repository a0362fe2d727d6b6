"""What is told of each rule is what the decision was drawn from."""

from __future__ import annotations

import pytest

from signer.domain.access.actions import SIGNING_ACTIONS, Action
from signer.domain.access.decisions import Allow, Deny, KeyFacts
from signer.domain.access.explaining import RuleAnswer, Says, explain
from signer.domain.access.policy import Policy
from signer.domain.identity import Identity
from signer.domain.requests import SigningRequest

from .cases import BUILD, NOW, decided, head_seen, policy, rule
from .test_conditions import MET, UNMET
from .test_deciding import ALLOWED, DENIED, RULES


def explained(
    rules: Policy,
    request: SigningRequest | None,
    who: Identity = BUILD,
    action: Action = Action.SIGN,
    key: str | None = "fw",
) -> tuple[RuleAnswer, ...]:
    facts = None if key is None else KeyFacts(name=key)
    return explain(rules, who, action, key=facts, request=request, at=NOW)


@pytest.mark.parametrize("sentence", [*ALLOWED, *DENIED])
def test_the_answers_of_the_rules_add_up_to_the_decision(sentence: str) -> None:
    who, action, key = ALLOWED[sentence][:3] if sentence in ALLOWED else DENIED[sentence]
    request = head_seen() if action in SIGNING_ACTIONS else None
    decision = decided(RULES, request, who=who, action=action, key=key)
    if isinstance(decision, Deny) and decision.condition == "scope":
        return  # decided before any rule
    answers = explained(RULES, request, who, action, key)
    said = {answer.says for answer in answers}
    assert isinstance(decision, Allow) is (Says.ALLOWS in said and Says.DENIES not in said)
    if isinstance(decision, Allow):
        assert decision.rule in {answer.rule.name for answer in answers if answer.says is Says.ALLOWS}


@pytest.mark.parametrize("sentence", [*MET, *UNMET])
def test_the_condition_that_decides_is_told(sentence: str) -> None:
    when, request, condition = (*MET[sentence], None) if sentence in MET else UNMET[sentence]
    (answer,) = explained(policy(rule(when)), request)
    assert (answer.says, answer.condition) == (Says.ALLOWS if condition is None else Says.NOT_MET, condition)


ELSEWHERE = {
    Says.OTHERS: rule(principals='["ci:github/2"]'),
    Says.OTHER_ACTIONS: rule(actions='["manage"]'),
    Says.OTHER_KEYS: rule(keys='["gw"]'),
    Says.DENIES: rule(effect="deny"),
    Says.NEEDS_APPROVAL: rule(approvals='[{ group = "qa", count = 1 }]'),
}


@pytest.mark.parametrize("says", ELSEWHERE)
def test_a_rule_says(says: Says) -> None:
    (answer,) = explained(policy(ELSEWHERE[says]), head_seen())
    assert answer.says is says


def test_a_broad_rule_is_told_what_guards_the_key() -> None:
    guarding = rule(name="guard", principals='["ci:github/2"]', approvals='[{ group = "qa", count = 1 }]')
    _, broad = explained(policy(guarding + rule()), head_seen())
    assert (broad.says, broad.condition) == (Says.NOT_MET, "approvals")
