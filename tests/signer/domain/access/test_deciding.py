"""Who may do what: what the rules give, and everything that they do not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from signer.domain.access.actions import KEY_ACTIONS, Action
from signer.domain.access.deciding import decide
from signer.domain.access.decisions import Allow, Decision, Deny, KeyFacts
from signer.domain.access.patterns import Pattern
from signer.domain.access.policy import Effect, Policy, Rule
from signer.domain.access.roles import role_rules
from signer.domain.identity import Identity, Role, Scope

NOW = datetime(2026, 11, 29, 14, 0, tzinfo=UTC)
BUILD = "ci:github/1"


def rule(name: str, effect: Effect = Effect.ALLOW, *, to: str = BUILD, actions: str = "sign", keys: str = "fw") -> Rule:
    return Rule(
        name=name,
        effect=effect,
        principals=tuple(to.split()),
        actions=frozenset(map(Action, actions.split())),
        keys=tuple(map(Pattern, keys.split())),
    )


def asked(rules: tuple[Rule, ...], identity: Identity, action: Action, key: str | None = None) -> Decision:
    policy = Policy(revision=1, sha256="0" * 64, rules=rules)
    facts = None if key is None else KeyFacts(name=key)
    return decide(policy, identity, action, key=facts, request=None, at=NOW)


def scoped(*, keys: str, actions: str) -> Identity:
    scope = Scope(keys=tuple(map(Pattern, keys.split())), actions=frozenset(map(Action, actions.split())))
    return Identity(name=BUILD, scope=scope)


RULES = (
    rule("fw-build", keys="fw fw-*"),
    rule("frozen", Effect.DENY, keys="fw-frozen", to=f"{BUILD} group:ci"),
    rule("operators", to="group:operators", actions="manage read", keys="**"),
    rule("audit", to="person:ada", actions="read-log", keys=""),
)

ALLOWED = {
    "what a rule says": (Identity(name=BUILD), Action.SIGN, "fw", "fw-build"),
    "a key that a pattern fits": (Identity(name=BUILD), Action.SIGN, "fw-eu", "fw-build"),
    "a group": (Identity(name="x", groups=frozenset({"operators"})), Action.MANAGE, "log", "operators"),
    "a person, by a credential of any kind": (Identity(name="x", person="ada"), Action.READ_LOG, None, "audit"),
    "what the scope covers": (scoped(keys="fw", actions="sign"), Action.SIGN, "fw", "fw-build"),
}

DENIED = {
    "a rule that denies, though another allows": (Identity(name=BUILD), Action.SIGN, "fw-frozen"),
    "another key": (Identity(name=BUILD), Action.SIGN, "gw"),
    "a key whose name goes on": (Identity(name=BUILD), Action.SIGN, "fw2"),
    "another action": (Identity(name=BUILD), Action.MANAGE, "fw"),
    "an action without a key": (Identity(name=BUILD), Action.ADMINISTER, None),
    "an action with a key, without one": (Identity(name=BUILD), Action.SIGN, None),
    "a principal that begins so": (Identity(name=BUILD + "0"), Action.SIGN, "fw"),
    "a name that looks like a group": (Identity(name="group:operators "), Action.MANAGE, "fw"),
    "a person of the name of a group": (Identity(name="x", person="operators"), Action.MANAGE, "fw"),
    "a role of the name of a person": (Identity(name="x", role="ada"), Action.READ_LOG, None),
    "nobody": (Identity(name=""), Action.SIGN, "fw"),
    "what the scope leaves out": (scoped(keys="fw", actions="read"), Action.SIGN, "fw"),
    "a key that the scope leaves out": (scoped(keys="fw", actions="sign"), Action.SIGN, "fw-eu"),
    "what the scope covers and no rule gives": (scoped(keys="**", actions="manage"), Action.MANAGE, "fw"),
    "a scope of nothing": (scoped(keys="", actions=""), Action.SIGN, "fw"),
}


@pytest.mark.parametrize("sentence", ALLOWED)
def test_allows(sentence: str) -> None:
    identity, action, key, name = ALLOWED[sentence]
    assert asked(RULES, identity, action, key) == Allow(rule=name)


@pytest.mark.parametrize("sentence", DENIED)
def test_denies(sentence: str) -> None:
    decision = asked(RULES, *DENIED[sentence])
    assert isinstance(decision, Deny)
    assert decision.reason


def test_silence_denies() -> None:
    assert isinstance(asked((), Identity(name=BUILD), Action.SIGN, "fw"), Deny)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_the_roles_are_rules(role: Role, action: Action) -> None:
    may = {
        Role.ADMINISTRATOR: set(Action),
        Role.SIGNER: {Action.READ, Action.SIGN},
        Role.AUDITOR: {Action.READ, Action.READ_LOG},
        Role.READER: {Action.READ},
    }
    key = "firmware" if action in KEY_ACTIONS else None
    decision = asked(role_rules(), Identity(name="api-token:x", role=role), action, key)
    assert isinstance(decision, Allow) is (action in may[role])
