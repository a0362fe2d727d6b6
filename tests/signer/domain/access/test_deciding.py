"""Who may do what: what rules give, and everything that they do not."""

from __future__ import annotations

import pytest

from signer.domain.access.actions import KEY_ACTIONS, SIGNING_ACTIONS, Action
from signer.domain.access.canonical import digest, rule_document
from signer.domain.access.deciding import may_ask, may_everywhere, may_somewhere, readable
from signer.domain.access.decisions import Allow, Deny, KeyFacts, NeedsApproval
from signer.domain.identity import Identity, Role
from signer.domain.keys import Purpose
from tests.support.roles import ROLE_ACTIONS, ROLE_RULES

from .cases import BUILD, NOW, decided, head_seen, manifest_seen, policy, rule, scoped

OPERATOR = Identity(name="user:o@x", groups=frozenset({"operators"}))
ADA = Identity(name="api-token:ada", person="ada")
NIGHT_WATCH = Identity(name="api-token:night", role="night")
APPROVED = '[{ group = "qa", count = 1 }]'

RULES = policy(
    rule(keys='["fw", "fw-*"]')
    + rule(name="frozen", effect="deny", principals='["ci:github/1", "group:ci"]', keys='["fw-frozen"]')
    + rule(name="operators", principals='["group:operators"]', actions='["manage", "read"]', keys='["**"]')
    + rule(name="no-log", effect="deny", principals='["group:operators"]', actions='["manage"]', keys='["log"]')
    + rule(name="secret", effect="deny", principals='["group:operators"]', actions='["read"]', keys='["secret"]')
    + rule(name="audit", principals='["person:ada"]', actions='["read-log", "administer"]', keys="")
    + rule('hours = ["mon 00:00-24:00"]', name="night", principals='["role:night"]', actions='["read"]', keys='["**"]')
    + rule('checked = "head", artifact_name = ["x-*"]', name="x", principals='["role:x"]', keys='["x"]')
)

ALLOWED = {
    "what a rule says": (BUILD, Action.SIGN, "fw", "fw-build"),
    "a key that a pattern fits": (BUILD, Action.SIGN, "fw-eu", "fw-build"),
    "a group": (OPERATOR, Action.MANAGE, "anything", "operators"),
    "a person, by a credential of any kind": (ADA, Action.READ_LOG, None, "audit"),
    "reading the key that one signs with": (BUILD, Action.READ, "fw", "fw-build"),
    "reading the key that one signs with, whatever is asked of artifacts": (
        Identity(name="a", role="x"),
        Action.READ,
        "x",
        "x",
    ),
    "reading a key that may not be managed": (OPERATOR, Action.READ, "log", "operators"),
    "what the scope covers": (scoped(keys="fw", actions="sign"), Action.SIGN, "fw", "fw-build"),
    "reading, by a scope of signing": (scoped(keys="fw", actions="sign"), Action.READ, "fw", "fw-build"),
}

DENIED = {
    "a rule that denies, though another allows": (BUILD, Action.SIGN, "fw-frozen"),
    "another key": (BUILD, Action.SIGN, "gw"),
    "a key whose name goes on": (BUILD, Action.SIGN, "fw2"),
    "a key of another case": (BUILD, Action.SIGN, "FW"),
    "a key with a newline": (BUILD, Action.SIGN, "fw\n"),
    "a key with a slash": (BUILD, Action.SIGN, "fw-eu/x"),
    "signing what is not shown": (BUILD, Action.SIGN_BLIND, "fw"),
    "managing the key that one signs with": (BUILD, Action.MANAGE, "fw"),
    "approving with it": (BUILD, Action.APPROVE, "fw"),
    "an action without a key": (BUILD, Action.ADMINISTER, None),
    "an action with a key, without one": (BUILD, Action.SIGN, None),
    "signing with a key that one manages": (OPERATOR, Action.SIGN, "fw"),
    "managing what is taken out": (OPERATOR, Action.MANAGE, "log"),
    "reading what is taken out, though it may be managed": (OPERATOR, Action.READ, "secret"),
    "the log, by who manages its key": (OPERATOR, Action.READ_LOG, None),
    "a principal that begins so": (Identity(name=BUILD.name + "0"), Action.SIGN, "fw"),
    "a principal of another kind": (Identity(name="api-token:github/1"), Action.SIGN, "fw"),
    "a group, as a name": (Identity(name="operators"), Action.MANAGE, "fw"),
    "a person of the name of a group": (Identity(name="x", person="operators"), Action.MANAGE, "fw"),
    "a role of the name of a person": (Identity(name="x", role="ada"), Action.READ_LOG, None),
    "a role with a colon in it": (Identity(name="x", role="x:person:ada"), Action.READ_LOG, None),
    "nobody": (Identity(name=""), Action.SIGN, "fw"),
    "reading at another time": (NIGHT_WATCH, Action.READ, "fw"),
    "what the scope leaves out": (scoped(keys="fw", actions="read"), Action.SIGN, "fw"),
    "a key that the scope leaves out": (scoped(keys="fw", actions="sign"), Action.SIGN, "fw-eu"),
    "reading a key that the scope leaves out": (scoped(keys="fw", actions="sign"), Action.READ, "fw-eu"),
    "reading, by a scope of no key": (scoped(keys="**", actions="read-log"), Action.READ, "fw"),
    "what the scope covers and no rule gives": (scoped(keys="**", actions="manage"), Action.MANAGE, "fw"),
    "a scope of nothing": (scoped(keys="", actions=""), Action.SIGN, "fw"),
}


@pytest.mark.parametrize("sentence", ALLOWED)
def test_allows(sentence: str) -> None:
    identity, action, key, name = ALLOWED[sentence]
    request = manifest_seen() if action is Action.SIGN else None
    assert decided(RULES, request, who=identity, action=action, key=key) == Allow(rule=name)


@pytest.mark.parametrize("sentence", DENIED)
def test_denies(sentence: str) -> None:
    identity, action, key = DENIED[sentence]
    request = head_seen() if action in SIGNING_ACTIONS else None
    decision = decided(RULES, request, who=identity, action=action, key=key)
    assert isinstance(decision, Deny)
    assert decision.reason


@pytest.mark.parametrize("action", Action)
def test_silence_denies(action: Action) -> None:
    key = "fw" if action in KEY_ACTIONS else None
    assert isinstance(decided(policy(""), head_seen(), action=action, key=key), Deny)


def test_content_that_was_not_shown_allows_nothing() -> None:
    rules = policy(rule('checked = "head", scripts = false'))
    assert isinstance(decided(rules, None), Deny)


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.ARTIFACT}))
def test_only_artifact_keys_sign_artifacts(purpose: Purpose) -> None:
    decision = decided(RULES, manifest_seen(), purpose=purpose)
    assert decision == Deny(reason=f"key fw is for {purpose}, only artifact keys sign artifacts")


def test_the_first_rule_whose_conditions_are_met_decides() -> None:
    rules = policy(rule('checked = "head"', name="one") + rule(name="two") + rule(name="three"))
    assert decided(rules, manifest_seen()) == Allow(rule="two")
    assert decided(rules, head_seen()) == Allow(rule="one")


def test_a_refusal_names_the_first_rule_that_might_have_allowed_it() -> None:
    rules = policy(rule('checked = "artifact"', name="one") + rule('checked = "head"', name="two"))
    decision = decided(rules, manifest_seen())
    assert isinstance(decision, Deny)
    assert (decision.rule, decision.condition) == ("one", "checked")


class TestApprovals:
    """They cannot be walked around."""

    GUARDED = policy(
        rule(name="guarded", keys='["fw", "fw-*"]', principals='["ci:github/2"]', approvals=APPROVED)
        + rule(name="broad", keys='["**"]', actions='["sign", "sign-blind"]')
        + rule(name="managing", keys='["**"]', actions='["manage"]')
    )

    def test_who_has_them_in_a_rule_needs_them(self) -> None:
        decision = decided(self.GUARDED, head_seen(), who=Identity(name="ci:github/2"))
        assert isinstance(decision, NeedsApproval)
        assert decision.rule == "guarded"
        assert decision.rule_sha256 == digest(rule_document(self.GUARDED.rules[0]))

    @pytest.mark.parametrize("key", ["fw", "fw-eu"])
    @pytest.mark.parametrize("action", sorted(SIGNING_ACTIONS))
    def test_a_broad_rule_without_them_allows_nothing_for_such_a_key(self, key: str, action: Action) -> None:
        decision = decided(self.GUARDED, head_seen(), key=key, action=action)
        assert isinstance(decision, Deny)
        assert decision.condition == "approvals"

    def test_it_allows_others(self) -> None:
        assert decided(self.GUARDED, head_seen(), key="other") == Allow(rule="broad")
        assert decided(self.GUARDED, None, action=Action.MANAGE) == Allow(rule="managing")

    def test_a_rule_that_denies_wins_over_them(self) -> None:
        rules = policy(rule(approvals=APPROVED) + rule(name="no", effect="deny"))
        assert isinstance(decided(rules, head_seen()), Deny)


class TestBeforeAnythingIsShown:
    """What may come of a request is left open until it is seen; what cannot is refused before."""

    def _asked(self, rules: str, who: Identity = BUILD, key: KeyFacts | None = None) -> object:
        return may_ask(policy(rules), who, Action.SIGN, key=key or KeyFacts(name="fw"), at=NOW)

    @pytest.mark.parametrize("when", ["", 'checked = "artifact", size = 5', 'hours = ["sun 00:00-24:00"]'])
    def test_what_may_be_allowed_may_be_asked(self, when: str) -> None:
        assert self._asked(rule(when)) == Allow(rule="fw-build")

    def test_what_needs_approval_may_be_asked(self) -> None:
        assert isinstance(self._asked(rule(approvals=APPROVED)), NeedsApproval)

    def test_a_rule_that_denies_some_content_denies_no_asking(self) -> None:
        denying = rule('checked = "head", scripts = ["evil*"]', name="no", effect="deny")
        assert self._asked(rule() + denying) == Allow(rule="fw-build")

    @pytest.mark.parametrize(
        ("rules", "who"),
        [
            (rule('hours = ["mon 00:00-24:00"]'), BUILD),
            (rule() + rule(name="no", effect="deny"), BUILD),
            (rule() + rule('hours = ["sun 00:00-24:00"]', name="no", effect="deny"), BUILD),
            (rule(), Identity(name="ci:github/2")),
            (rule(), scoped(keys="gw", actions="sign")),
            (rule(keys='["gw"]'), BUILD),
            (rule(actions='["manage"]'), BUILD),
            ("", BUILD),
        ],
    )
    def test_what_can_never_be_allowed_may_not(self, rules: str, who: Identity) -> None:
        assert isinstance(self._asked(rules, who), Deny)

    def test_another_purpose_may_not(self) -> None:
        assert isinstance(self._asked(rule(), key=KeyFacts(name="fw", purpose=Purpose.LOG)), Deny)


class TestSomeKeysAndAll:
    """Where no key is named: whether there may be one, and whether it is all of them."""

    EVERY_KEY = policy(rule(principals='["role:a"]', actions='["read"]', keys='["**"]'))

    @pytest.mark.parametrize(
        ("who", "action", "may"),
        [
            (BUILD, Action.SIGN, True),
            (BUILD, Action.READ, True),
            (BUILD, Action.MANAGE, False),
            (OPERATOR, Action.MANAGE, True),
            (OPERATOR, Action.SIGN, False),
            (ADA, Action.READ, False),
            (scoped(keys="fw", actions="read"), Action.SIGN, False),
            (scoped(keys="fw", actions="sign"), Action.READ, True),
            (scoped(keys="", actions=""), Action.READ, False),
        ],
    )
    def test_somewhere(self, who: Identity, action: Action, may: bool) -> None:
        assert isinstance(may_somewhere(RULES, who, action), Allow) is may

    @pytest.mark.parametrize(
        ("rules", "who", "may"),
        [
            (EVERY_KEY, Identity(name="x", role="a"), True),
            (policy(rule(keys='["*"]')), BUILD, True),
            (policy(rule(keys='["fw", "*-*"]')), BUILD, False),
            (RULES, OPERATOR, False),
            (RULES, NIGHT_WATCH, False),
            (EVERY_KEY, BUILD, False),
            (policy(rule(keys='["**"]')), scoped(keys="fw", actions="read"), False),
            (policy(rule(keys='["**"]')), scoped(keys="**", actions="read"), True),
            (policy(rule(keys='["**"]')), scoped(keys="**", actions="read-log"), False),
        ],
    )
    def test_everywhere(self, rules: object, who: Identity, may: bool) -> None:
        assert isinstance(may_everywhere(rules, who, Action.READ, at=NOW), Allow) is may  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("who", "known"),
        [
            (BUILD, {"fw", "fw-eu", "fw-frozen"}),
            (OPERATOR, {"fw", "fw-eu", "fw-frozen", "gw", "log"}),
            (ADA, set()),
            (NIGHT_WATCH, set()),
            (scoped(keys="fw-*", actions="sign"), {"fw-eu", "fw-frozen"}),
            (Identity(name="nobody"), set()),
        ],
    )
    def test_which_keys_one_may_know_of(self, who: Identity, known: set[str]) -> None:
        may_read = readable(RULES, who, at=NOW)
        names = ["fw", "fw-eu", "fw-frozen", "gw", "log", "secret"]
        assert {name for name in names if may_read(name)} == known


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_the_roles_are_rules(role: Role, action: Action) -> None:
    rules = ROLE_RULES
    key = "firmware" if action in KEY_ACTIONS else None
    decision = decided(rules, manifest_seen(), who=Identity(name="api-token:x", role=role), action=action, key=key)
    assert isinstance(decision, Allow) is (action in ROLE_ACTIONS[role])
