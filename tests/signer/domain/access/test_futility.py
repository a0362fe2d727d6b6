"""What of a policy can do nothing as things are: told with the rule and the name, and nothing else is."""

from __future__ import annotations

import pytest

from signer.domain.access.futility import MAX_TOLD, Futile, Futility, Present, futile
from signer.domain.keys import Purpose

from .cases import policy, rule

KEYS = {"fw": Purpose.ARTIFACT, "fw-eu": Purpose.ARTIFACT, "log": Purpose.LOG}
PRESENT = Present(keys=KEYS, somebody=lambda principal: principal in {"ci:github/1", "group:qa"})
APPROVED = '[{ group = "qa", count = 1 }]'
GUARD = rule(name="guard", approvals=APPROVED)
IN_USE = {
    "a rule about what there is": rule(),
    "a pattern for keys to come": rule(keys='["gw-*"]'),
    "a key that whoever manages it will make": rule(actions='["manage"]', keys='["gw"]'),
    "a role that no credential has as yet": rule(principals='["role:release"]'),
    "a group": rule(principals='["group:qa"]'),
    "reading the log's key": rule(actions='["read"]', keys='["log"]'),
    "a rule with approvals beside another one": GUARD + rule(name="other", approvals=APPROVED),
    "a broad rule for a guarded key and others": GUARD + rule(name="broad", keys='["**"]'),
    "a rule that denies signing with a guarded key": GUARD + rule(name="no", effect="deny"),
    "managing a guarded key": GUARD + rule(name="keeper", actions='["manage"]'),
    "no rule": "",
}


@pytest.mark.parametrize("sentence", IN_USE)
def test_nothing_is_told_of(sentence: str) -> None:
    assert futile(policy(IN_USE[sentence]), PRESENT) == ()


FUTILE = {
    "a key that there is not": (rule(keys='["fw", "fw2"]'), Futility.UNKNOWN_KEY, "fw2"),
    "a key of another case": (rule(keys='["FW"]'), Futility.UNKNOWN_KEY, "FW"),
    "a denial for a key that there is not": (rule(effect="deny", keys='["fw2"]'), Futility.UNKNOWN_KEY, "fw2"),
    "a key for something else": (rule(keys='["log"]'), Futility.OTHER_PURPOSE, "log"),
    "a group that there is not": (rule(principals='["group:q"]'), Futility.UNKNOWN_PRINCIPAL, "group:q"),
    "a pipeline that is not configured": (
        rule(principals='["ci:github/2"]'), Futility.UNKNOWN_PRINCIPAL, "ci:github/2"),
    "a denial for nobody": (
        rule(effect="deny", principals='["person:bob"]'), Futility.UNKNOWN_PRINCIPAL, "person:bob"),
    "signing with a guarded key without approvals": (GUARD + rule(), Futility.GUARDED_KEY, "fw"),
    "signing blind with one": (GUARD + rule(actions='["sign-blind"]'), Futility.GUARDED_KEY, "fw"),
    "patterns that fit guarded keys alone": (
        rule(name="guard", keys='["fw*"]', approvals=APPROVED) + rule(keys='["fw-*"]'), Futility.GUARDED_KEY, "fw-*"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", FUTILE)
def test_it_is_told_of(sentence: str) -> None:
    rules, why, about = FUTILE[sentence]
    assert futile(policy(rules), PRESENT) == (Futile(rule="fw-build", why=why, about=about),)


def test_without_a_look_at_what_there_is_only_the_rules_are_compared() -> None:
    rules = policy(GUARD + rule(keys='["fw", "fw2"]', principals='["group:q"]'))
    assert futile(rules, None) == (Futile(rule="fw-build", why=Futility.GUARDED_KEY, about="fw"),)


def test_what_is_told_is_bounded() -> None:
    many = ", ".join(f'"k{number}"' for number in range(2 * MAX_TOLD))
    assert len(futile(policy(rule(keys=f"[{many}]")), PRESENT)) == MAX_TOLD
