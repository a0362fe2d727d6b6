"""The way past approvals: for people whom the very rule names, for what it could allow, and for nothing else."""

from __future__ import annotations

import pytest

from signer.domain.access.actions import Action
from signer.domain.access.canonical import digest, rule_document
from signer.domain.access.deciding import may_ask
from signer.domain.access.decisions import Allow, Deny, KeyFacts, NeedsApproval
from signer.domain.access.explaining import Says, explain
from signer.domain.access.patterns import Patterns
from signer.domain.identity import Identity, Scope
from signer.domain.requests import SigningRequest

from .cases import NOW, decided, head_seen, manifest_seen, policy, rule

APPROVED = '[{ group = "qa", count = 2 }]'
RELEASES = '["group:release"]'
NAMED = '["person:ada"]'
IN_RELEASE = frozenset({"release"})
ADA = Identity(name="api-token:ada", person="ada", groups=IN_RELEASE)
BOB = Identity(name="api-token:bob", person="bob", groups=IN_RELEASE)
RULES = policy(
    rule(
        'checked = "head", artifact_name = ["release-*"]',
        name="release",
        principals=RELEASES,
        approvals=APPROVED,
        emergency=NAMED,
    )
    + rule(name="broad", principals=RELEASES, keys='["**"]')
    + rule(name="frozen", effect="deny", principals=RELEASES, keys='["fw-frozen"]')
)
ELSEWHERE = policy(
    rule(name="release", principals=RELEASES, approvals=APPROVED)
    + rule(name="other", principals=RELEASES, keys='["gw"]', approvals=APPROVED, emergency=NAMED)
)


def test_who_is_named_passes_the_approvals_and_it_is_said() -> None:
    decision = decided(RULES, head_seen(), who=ADA, emergency=True)
    assert decision == Allow(rule="release", emergency=True)


def test_whoever_names_no_emergency_needs_the_approvals() -> None:
    assert isinstance(decided(RULES, head_seen(), who=ADA), NeedsApproval)


def test_of_rules_with_approvals_the_one_that_names_them_decides() -> None:
    rules = policy(
        rule(name="first", principals=RELEASES, approvals=APPROVED, emergency='["person:bob"]')
        + rule(name="second", principals=RELEASES, approvals=APPROVED, emergency=NAMED)
    )
    assert decided(rules, head_seen(), who=ADA, emergency=True) == Allow(rule="second", emergency=True)


def test_limits_and_floors_hold_still() -> None:
    version = 'checked = "head", version = { from = "artifact_name", prefix = "release-", order = "numeric" }'
    rules = policy(rule(version, principals=RELEASES, approvals=APPROVED, emergency=NAMED, limits="{ per_day = 1 }"))
    decision = decided(rules, head_seen(), who=ADA, emergency=True)
    assert isinstance(decision, Allow)
    assert (len(decision.floors), len(decision.limits)) == (1, 1)


REFUSED: dict[str, tuple[Identity, SigningRequest | None, str, str | None]] = {
    "somebody else of the same group": (BOB, head_seen(), "fw", "emergency"),
    "a credential that is nobody's": (
        Identity(name="api-token:ada", groups=IN_RELEASE),
        head_seen(),
        "fw",
        "emergency",
    ),
    "a credential whose name is the person's": (
        Identity(name="person:ada", groups=IN_RELEASE),
        head_seen(),
        "fw",
        "emergency",
    ),
    "a role of the person's name": (
        Identity(name="api-token:x", role="ada", groups=IN_RELEASE),
        head_seen(),
        "fw",
        "emergency",
    ),
    "a pipeline that was assigned to the person": (
        Identity(name="ci:github/1", person="ada", groups=IN_RELEASE),
        head_seen(),
        "fw",
        "emergency",
    ),
    "a user who is the person": (
        Identity(name="user:ada@example.org", person="ada", groups=IN_RELEASE),
        head_seen(),
        "fw",
        "emergency",
    ),
    "a person whose name begins so": (
        Identity(name="api-token:a", person="ada2", groups=IN_RELEASE),
        head_seen(),
        "fw",
        "emergency",
    ),
    "a person whom no rule is about": (Identity(name="api-token:ada", person="ada"), head_seen(), "fw", None),
    "content that the rule does not let be approved": (ADA, head_seen(artifact_name="debug-1"), "fw", "artifact_name"),
    "too little shown": (ADA, manifest_seen(), "fw", "checked"),
    "nothing shown": (ADA, None, "fw", "checked"),
    "a key that needs no approvals": (ADA, head_seen(), "gw", "emergency"),
    "a key that a rule denies": (ADA, head_seen(), "fw-frozen", None),
    "a key that the scope leaves out": (
        Identity(
            name="api-token:ada",
            person="ada",
            groups=IN_RELEASE,
            scope=Scope(keys=Patterns.of("gw"), actions=frozenset({Action.SIGN})),
        ),
        head_seen(),
        "fw",
        "scope",
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refuses(sentence: str) -> None:
    who, request, key, condition = REFUSED[sentence]
    decision = decided(RULES, request, who=who, key=key, emergency=True)
    assert isinstance(decision, Deny)
    assert decision.condition == condition


def test_a_name_in_another_rule_is_none_in_this_one() -> None:
    decision = decided(ELSEWHERE, head_seen(), who=ADA, emergency=True)
    assert isinstance(decision, Deny)
    assert (decision.rule, decision.condition) == ("release", "emergency")


def test_who_needs_no_approvals_is_told_so() -> None:
    decision = decided(RULES, head_seen(), who=ADA, key="gw", emergency=True)
    assert isinstance(decision, Deny)
    assert "it asks for no approvals" in decision.reason


def test_a_refusal_tells_nobody_who_is_named() -> None:
    decision = decided(RULES, head_seen(), who=BOB, emergency=True)
    assert isinstance(decision, Deny)
    assert "ada" not in decision.reason


@pytest.mark.parametrize(("who", "may"), [(ADA, True), (BOB, False), (Identity(name="api-token:x"), False)])
def test_it_is_refused_before_anything_is_shown(who: Identity, may: bool) -> None:
    decision = may_ask(RULES, who, Action.SIGN, key=KeyFacts(name="fw"), at=NOW, emergency=True)
    assert isinstance(decision, Allow) is may


def test_a_change_of_names_is_a_change_of_the_rule() -> None:
    others = (policy(rule(approvals=APPROVED, **more)).rules[0] for more in ({}, {"emergency": NAMED}))
    assert len({digest(rule_document(each)) for each in others}) == 2


@pytest.mark.parametrize(
    ("who", "emergency", "said"),
    [
        (ADA, True, (Says.ALLOWS_EMERGENCY, None)),
        (ADA, False, (Says.NEEDS_APPROVAL, None)),
        (BOB, True, (Says.NOT_MET, "emergency")),
    ],
)
def test_what_the_rule_says_is_told(who: Identity, emergency: bool, said: tuple[Says, str | None]) -> None:
    answers = explain(
        RULES, who, Action.SIGN, key=KeyFacts(name="fw"), request=head_seen(), at=NOW, emergency=emergency
    )
    assert (answers[0].says, answers[0].condition) == said
