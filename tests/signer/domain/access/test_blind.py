"""Digests: what is decided about one that came alone, and about one that names a head which was shown."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from signer.domain.access.blind import decide_blind
from signer.domain.access.decisions import Allow, Decision, Deny, KeyFacts, NeedsApproval
from signer.domain.keys import Purpose
from signer.domain.requests import AnyRequest, DigestSeen
from tests.signer.domain.access.cases import BUILD, NOW, head_seen, manifest_seen, policy, rule, scoped

DIGEST = DigestSeen(digest=bytes(32))
HEAD = head_seen("f", artifact_name="release-2")
OTHER = head_seen("f", artifact_name="debug-2")
SIGN, BLIND, BOTH = '["sign"]', '["sign-blind"]', '["sign", "sign-blind"]'
RELEASES = 'checked = "head", artifact_name = ["release-*"]'
QA = '[{ group = "qa", count = 1 }]'


def decided(rules: str, request: AnyRequest, *, purpose: Purpose = Purpose.ARTIFACT) -> Decision:
    return decide_blind(policy(rules), BUILD, key=KeyFacts(name="fw", purpose=purpose), request=request, at=NOW)


@dataclass(frozen=True, slots=True)
class Row:
    rules: str
    request: AnyRequest
    denied: str | None = None


blind, sign = rule(name="blind", actions=BLIND), rule(name="sign", actions=SIGN)
ROWS = {
    "who may sign may not sign blind": Row(sign, DIGEST, "no rule lets"),
    "who may sign blind may": Row(blind, DIGEST),
    "a head that was shown, by who may only sign": Row(sign, HEAD, "no rule lets"),
    "a head that was shown, by who may only sign blind": Row(blind, HEAD, "no rule lets"),
    "a head that was shown, by who may both": Row(blind + sign, HEAD),
    "a rule that demands the head": Row(
        rule('checked = "head"', name="blind", actions=BLIND), DIGEST, "head has to be"
    ),
    "a rule that demands the manifest": Row(
        rule('checked = "manifest"', name="blind", actions=BLIND), DIGEST, "manifest has to be"
    ),
    "a rule that demands the head, which was shown": Row(rule('checked = "head"', actions=BOTH), HEAD),
    "a rule about others that looks at what is signed": Row(
        blind + rule(RELEASES, principals='["ci:github/2"]'), DIGEST, "look at what is signed"
    ),
    "a rule about all keys that does": Row(blind + rule(RELEASES, keys='["**"]'), DIGEST, "look at what is signed"),
    "a rule about another key that does": Row(blind + rule(RELEASES, keys='["other"]'), DIGEST),
    "a rule that denies and looks": Row(
        blind + rule('checked = "head", scripts = false', effect="deny"), DIGEST, "look at what is signed"
    ),
    "a rule that looks deep inside": Row(
        blind + rule('all = [{ any = [{ checked = "head", scripts = false }] }]'),
        DIGEST,
        "look at what is signed",
    ),
    "a rule about versions": Row(
        blind + rule('checked = "head", version = { from = "artifact_name", order = "semver" }'),
        DIGEST,
        "look at what is signed",
    ),
    "a rule about the hour looks at nothing": Row(blind + rule('hours = ["mon-sun 00:00-24:00"]'), DIGEST),
    "what rules about signing say of the head that was shown": Row(blind + rule(RELEASES), HEAD),
    "what they do not allow": Row(blind + rule(RELEASES), OTHER, "debug-2 is not allowed"),
    "what one of them denies": Row(
        blind + sign + rule('checked = "head", artifact_name = ["debug-*"]', name="no", effect="deny"), OTHER, "no"
    ),
    "what the rule about digests does not allow": Row(
        rule(RELEASES, name="blind", actions=BLIND) + sign, OTHER, "debug-2 is not allowed"
    ),
    "a manifest that was shown where the head is demanded": Row(
        rule('checked = "head"', actions=BOTH), manifest_seen("f"), "head has to be"
    ),
    "approvals of another rule": Row(
        blind + rule(name="guard", principals='["ci:github/2"]', approvals=QA), DIGEST, "asks for none"
    ),
    "approvals of signing alone": Row(blind + rule(name="guard", approvals=QA), HEAD, "asks for none"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", ROWS)
def test_what_is_decided(sentence: str) -> None:
    row = ROWS[sentence]
    decision = decided(row.rules, row.request)
    if row.denied is None:
        assert isinstance(decision, Allow)
    else:
        assert isinstance(decision, Deny)
        assert row.denied in decision.reason


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.ARTIFACT}))
@pytest.mark.parametrize("request_seen", [DIGEST, HEAD], ids=["digest", "head"])
def test_only_keys_of_artifacts_sign_digests(purpose: Purpose, request_seen: AnyRequest) -> None:
    assert isinstance(decided(blind + sign, request_seen, purpose=Purpose(purpose)), Deny)


def test_a_credential_for_signing_is_none_for_digests() -> None:
    key = KeyFacts(name="fw", purpose=Purpose.ARTIFACT)
    for actions, allowed in (("sign", False), ("sign-blind", True), ("sign sign-blind", True)):
        decision = decide_blind(
            policy(blind + sign), scoped(keys="fw", actions=actions), key=key, request=DIGEST, at=NOW
        )
        assert isinstance(decision, Allow) is allowed


def test_one_rule_with_both_actions_asks_once() -> None:
    asked = decided(rule(actions=BOTH, approvals=QA), HEAD)
    assert isinstance(asked, NeedsApproval)
    assert [(each.group, each.count) for each in asked.demands] == [("qa", 1)]


def test_two_rules_ask_for_what_both_ask_for() -> None:
    dev = '[{ group = "dev", count = 2 }, { group = "qa", count = 2 }]'
    asked = decided(rule(name="one", actions=SIGN, approvals=QA) + rule(name="two", actions=BLIND, approvals=dev), HEAD)
    assert isinstance(asked, NeedsApproval)
    assert [(each.group, each.count) for each in asked.demands] == [("dev", 2), ("qa", 2)]
    alone = decided(rule(name="two", actions=BLIND, approvals=dev), DIGEST)
    assert isinstance(alone, NeedsApproval)
    assert asked.rule_sha256 != alone.rule_sha256


def test_limits_of_both_rules_hold_and_versions_have_to_be_one() -> None:
    def limited(name: str, actions: str, number: int, order: str) -> str:
        when = f'checked = "head", version = {{ from = "artifact_name", prefix = "release-", order = "{order}" }}'
        return rule(when, name=name, actions=actions, limits=f"{{ per_hour = {number} }}")

    both = decided(limited("one", SIGN, 1, "numeric") + limited("two", BLIND, 2, "numeric"), HEAD)
    assert isinstance(both, Allow)
    assert len(both.limits) == 2
    assert [each.version for each in both.floors] == ["2"]
    differing = decided(limited("one", SIGN, 1, "numeric") + limited("two", BLIND, 2, "debian"), HEAD)
    assert isinstance(differing, Deny)
