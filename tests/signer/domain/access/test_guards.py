"""Which rules may be about a key that is guarded, and who has to approve that they change."""

from __future__ import annotations

import pytest

from signer.domain.access import guards
from signer.domain.access.decisions import ApprovalDemand
from signer.domain.access.guards import demands_on_key, demands_on_person, demands_on_policy, unreachable
from signer.domain.access.policy import Policy
from signer.domain.access.reading import parse_policy
from signer.domain.approvals import Circle
from tests.signer.domain.access.cases import rule

QA = '[{ group = "qa", count = 1 }]'
DEMANDED = (ApprovalDemand(group="qa", count=1),)


def policy(*rules: str) -> Policy:
    return parse_policy("version = 1\n" + "".join(rules))


# The keys of a rule with approvals, those of a rule that is added, and whether a key may be both.
MEETING: dict[str, tuple[str, str, bool]] = {
    "the same name": ("fw", "fw", True),
    "another name": ("fw", "fx", False),
    "a pattern that fits it": ("fw", "f*", True),
    "a pattern that does not": ("fw", "g*", False),
    "a name that its pattern fits": ("f*", "fw", True),
    "a name that its pattern does not": ("f*", "gw", False),
    "all": ("f*", "**", True),
    "patterns that begin alike": ("fw-*", "f*", True),
    "patterns that begin otherwise": ("fw-*", "fx-*", False),
    "patterns that end alike": ("*-eu", "*-north-eu", True),
    "patterns that end otherwise": ("*-eu", "*-us", False),
    "patterns of which one says how it begins and one how it ends": ("fw-*", "*-eu", True),
    "patterns that differ in the middle are taken to be alike": ("a*b*c", "a*x*c", True),
}


@pytest.mark.parametrize("name", MEETING)
def test_which_rules_may_be_about_a_guarded_key(name: str) -> None:
    guarded, added, meet = MEETING[name]
    before = rule(name="guard", keys=f'["{guarded}"]', approvals=QA)
    after = before + rule(name="further", keys=f'["{added}"]')
    assert demands_on_policy(policy(before), policy(after)) == (DEMANDED if meet else ())


def test_of_too_many_patterns_none_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    before = rule(name="guard", keys='["fw"]', approvals=QA)
    after = before + rule(name="further", keys='["other"]')
    assert demands_on_policy(policy(before), policy(after)) == ()
    monkeypatch.setattr(guards, "MAX_PAIRS", 2)
    assert demands_on_policy(policy(before), policy(after)) == DEMANDED


def test_several_that_guard_the_same_are_met_together() -> None:
    both = policy(
        rule(name="one", keys='["fw"]', approvals='[{ group = "qa", count = 1 }, { group = "ops", count = 3 }]'),
        rule(name="two", keys='["f*"]', approvals='[{ group = "qa", count = 2 }]'),
        rule(name="three", keys='["other"]', approvals='[{ group = "qa", count = 9 }]'),
    )
    assert demands_on_key(both, "fw") == (ApprovalDemand(group="ops", count=3), ApprovalDemand(group="qa", count=2))
    assert demands_on_key(both, "none") == ()


def test_only_those_who_guard_what_changes_are_asked() -> None:
    first = rule(name="one", keys='["fw"]', approvals=QA)
    second = rule(name="two", keys='["other"]', approvals='[{ group = "ops", count = 1 }]')
    changed = rule(name="two", keys='["other"]', approvals='[{ group = "ops", count = 2 }]')
    assert demands_on_policy(policy(first, second), policy(first, changed)) == (ApprovalDemand(group="ops", count=1),)


def test_a_person_counts_in_a_group_and_by_name() -> None:
    circle = Circle(people=frozenset({"ada"}), holders={}, groups={"qa": frozenset({"gone"})})
    asked = policy(rule(name="one", keys='["fw"]', approvals=QA))
    assert demands_on_person(asked, "gone", circle) == DEMANDED
    assert demands_on_person(asked, "ada", circle) == ()


REACHED: dict[str, tuple[str, bool]] = {
    "by a build": ('["api-token:build"]', True),
    "by one of the two alone": ('["person:ada"]', False),
    "by the group itself": ('["group:qa"]', False),
    "by a certificate of one of them": ('["mtls:corp:ada"]', False),
    "by one of them, or a build": ('["person:ada", "api-token:build"]', True),
    "by a group without people": ('["group:empty"]', True),
}


@pytest.mark.parametrize("name", REACHED)
def test_whether_two_can_approve_what_is_asked(name: str) -> None:
    circle = Circle(
        people=frozenset({"ada", "bob"}),
        holders={"mtls:corp:ada": "ada"},
        groups={"qa": frozenset({"ada", "bob"}), "empty": frozenset()},
    )
    principals, reached = REACHED[name]
    asked = policy(rule(name="one", principals=principals, approvals='[{ group = "qa", count = 2 }]'))
    assert (unreachable(asked, circle) == ()) is reached
