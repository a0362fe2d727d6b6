"""What is decided once: it never depends on what is shown, on the moment, or on who else has asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from signer.domain.access import deciding, settled
from signer.domain.access.actions import Action
from signer.domain.access.deciding import may_ask
from signer.domain.access.decisions import Allow, Deny, KeyFacts, NeedsApproval
from signer.domain.access.policy import Policy
from signer.domain.identity import Identity
from signer.domain.keys import Purpose

from .cases import BUILD, NOW, artifact_seen, decided, head_seen, manifest_seen, policy, rule, scoped

HOURS = 'hours = ["sun 12:00-16:00"]'
VERSION = 'checked = "head", version = { from = "artifact_name", prefix = "r-", order = "numeric" }'
APPROVED = '[{ group = "qa", count = 1 }]'
SHOWN = (None, manifest_seen(), head_seen(), artifact_seen())


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows with each decision that rules are asked for."""
    asked: list[None] = []
    judge = deciding._by_rules

    def counted(*arguments: object, **options: object) -> object:
        asked.append(None)
        return judge(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(deciding, "_by_rules", counted)
    return asked


SETTLED = {
    "a rule that asks for nothing": (rule(), Allow),
    "one that denies": (rule(effect="deny") + rule(name="other"), Deny),
    "no rule": ("", Deny),
    "one that asks for approvals": (rule(approvals=APPROVED), NeedsApproval),
    "one beside others of other keys and callers, which ask": (
        rule() + rule(HOURS, name="key", keys='["gw"]') + rule(HOURS, name="who", principals='["ci:github/2"]'),
        Allow,
    ),
}


@pytest.mark.parametrize("sentence", SETTLED)
def test_is_decided_once(sentence: str, judged: list[None]) -> None:
    text, kind = SETTLED[sentence]
    rules = policy(text)
    decisions = [decided(rules, shown, at=NOW + timedelta(hours=5 * n)) for n, shown in enumerate(SHOWN)]
    assert isinstance(decisions[0], kind)
    assert decisions == [decisions[0]] * len(SHOWN)
    assert len(judged) == 1


def test_a_list_of_many_keys_pushes_nothing_out(judged: list[None]) -> None:
    rules = policy(rule(actions='["read", "sign"]'))
    for _ in range(2):
        decided(rules, None)
        decided(rules, None, action=Action.READ)
    # Signing once, reading each time: that is not kept.
    assert len(judged) == 3


UNSETTLED = {
    "hours": rule(HOURS),
    "hours of a rule that denies": rule() + rule(HOURS, name="no", effect="deny"),
    "what is shown": rule('checked = "head"'),
    "a condition in a later rule": rule(name="one", approvals=APPROVED) + rule('checked = "head"', name="two"),
    "a version": rule(VERSION),
}


@pytest.mark.parametrize("sentence", UNSETTLED)
def test_what_rules_ask_for_is_asked_each_time(sentence: str, judged: list[None]) -> None:
    rules = policy(UNSETTLED[sentence])
    for n, shown in enumerate(SHOWN):
        decided(rules, shown, at=NOW + timedelta(hours=5 * n))
    assert len(judged) == len(SHOWN)


OTHERS = {
    "another key": {"key": "gw"},
    "another purpose": {"purpose": Purpose.LOG},
    "another action": {"action": Action.SIGN_BLIND},
    "another name": {"who": Identity(name="ci:github/2")},
    "a smaller scope": {"who": scoped(keys="gw", actions="sign")},
    "an emergency": {"emergency": True},
    "other rules": {"rules": policy(rule(effect="deny"))},
}


@pytest.mark.parametrize("sentence", OTHERS)
def test_it_holds_for_nothing_else(sentence: str) -> None:
    rules = policy(rule())
    assert decided(rules, head_seen()) == Allow(rule="fw-build")
    changed: dict[str, object] = {"rules": rules, "request": head_seen(), **OTHERS[sentence]}
    assert isinstance(decided(**changed), Deny)  # type: ignore[arg-type]
    assert decided(rules, head_seen()) == Allow(rule="fw-build")


@pytest.mark.parametrize("principal", ["role:signer", "group:builds", "person:ada"])
def test_who_loses_what_a_rule_means_them_by_is_denied(principal: str) -> None:
    rules = policy(rule(principals=f'["{principal}"]'))
    who = Identity(name="api-token:a", role="signer", groups=frozenset({"builds"}), person="ada")
    assert isinstance(decided(rules, head_seen(), who=who), Allow)
    stranger = replace(who, role=None, groups=frozenset(), person=None)
    assert isinstance(decided(rules, head_seen(), who=stranger), Deny)


def test_what_may_be_asked_is_not_more_than_what_is_decided_of_the_key() -> None:
    rules = policy(rule())
    assert isinstance(may_ask(rules, BUILD, Action.SIGN, key=KeyFacts(name="fw"), at=NOW), Allow)
    assert isinstance(decided(rules, head_seen(), purpose=Purpose.SERVER_CA), Deny)


class TestBounds:
    @staticmethod
    def kept(rules: Policy) -> int:
        return len(rules.settled._decisions)

    def test_it_does_not_grow_without_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settled, "MAX_KEPT", 10)
        rules = policy(rule(keys='["**"]'))
        for number in range(35):
            decided(rules, head_seen(), key=f"fw-{number}")
            assert 1 <= self.kept(rules) <= 10

    @pytest.mark.parametrize("name", ["", "FW", "fw\n", "fw/x", "f" * 5000])
    def test_no_name_is_kept_that_no_key_can_have(self, name: str) -> None:
        rules = policy(rule())
        decided(rules, head_seen(), key=name)
        assert self.kept(rules) == 0
