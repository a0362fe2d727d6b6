"""Rules found by an index say what rules asked one by one say: the verdict, the rule that is named, the sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.domain.access import rule_index
from signer.domain.access.actions import KEY_ACTIONS, Action
from signer.domain.access.conditions import MAX_VALUES
from signer.domain.access.deciding import decide, may_ask, may_everywhere, may_somewhere, readable
from signer.domain.access.decisions import Allow, Deny, KeyFacts, NeedsApproval
from signer.domain.access.pattern_index import PatternIndex, numbers
from signer.domain.access.patterns import ANYTHING, SEPARATORS, WILD, Patterns
from tests.support.plain_rules import plain_decision, plain_everywhere, plain_somewhere
from tests.support.rows import slow_but

from .cases import decided, head_seen, manifest_seen, policy, rule
from .generated import Drawn

DRAWN, FEWEST = 400, 3


@pytest.fixture(autouse=True, scope="module")
def every_policy_is_indexed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rule_index, "FEW", 0)
        yield


@pytest.mark.parametrize("seed", slow_but({0}, range(4)))
def test_a_decision_is_that_of_rules_asked_one_by_one(seed: int) -> None:
    for number in range(seed * DRAWN, seed * DRAWN + DRAWN):
        drawn = Drawn(number)
        rules, who, at = drawn.policy(), drawn.identity(), drawn.moment()
        for emergency in (False, False, False, False, True):
            action, key, request = drawn.action(), drawn.key(), drawn.request()
            asked = {"at": at, "emergency": emergency}
            shown = {"key": key if action in KEY_ACTIONS else None, "request": request, **asked}
            plain = plain_decision(rules, who, action, **shown, lenient=False)
            assert decide(rules, who, action, **shown) == plain, number
            plain = plain_decision(rules, who, action, key=key, request=None, **asked, lenient=True)
            assert may_ask(rules, who, action, key=key, **asked) == plain, number


@pytest.mark.slow
def test_so_is_what_is_known_without_a_key() -> None:
    for number in range(DRAWN):
        drawn = Drawn(number)
        rules, who, at, action, key = drawn.policy(), drawn.identity(), drawn.moment(), drawn.action(), drawn.key()
        assert may_somewhere(rules, who, action) == plain_somewhere(rules, who, action), number
        assert may_everywhere(rules, who, action, at=at) == plain_everywhere(rules, who, action, at=at), number
        facts = KeyFacts(name=key.name)
        reading = plain_decision(
            rules, who, Action.READ, key=facts, request=None, at=at, emergency=False, lenient=False
        )
        assert readable(rules, who, at=at)(key.name) is isinstance(reading, Allow), number
        guarding = [each for each in rules.rules if each.approvals and each.keys.fit(key.name)]
        assert list(rules.guarding(key.name)) == guarding
        assert rules.guards(key.name) is bool(guarding)


def test_of_what_is_drawn_there_is_enough_of_each_verdict() -> None:
    verdicts = Counter[tuple[type, str | None]]()
    for number in range(DRAWN):
        drawn = Drawn(number)
        decision = decided(drawn.policy(), drawn.request(), who=drawn.identity(), at=drawn.moment())
        verdicts[type(decision), getattr(decision, "condition", None)] += 1
    assert min(verdicts[Allow, None], verdicts[NeedsApproval, None], verdicts[Deny, "artifact_name"]) > FEWEST, verdicts


def _fits(pattern: str, text: str) -> bool:
    """As the page says it, without a thought of what it costs."""
    if not pattern:
        return not text
    wild = next((each for each in (ANYTHING, WILD) if pattern.startswith(each)), None)
    if wild is None:
        return bool(text) and pattern[0] == text[0] and _fits(pattern[1:], text[1:])
    if _fits(pattern[len(wild) :], text):
        return True
    return bool(text) and (wild == ANYTHING or text[0] not in SEPARATORS) and _fits(pattern, text[1:])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text("ab/*", min_size=1, max_size=6).filter(lambda text: "***" not in text), min_size=1, max_size=8),
    st.text("ab/:\n", max_size=7),
)
def test_patterns_are_found_that_fit(patterns: list[str], text: str) -> None:
    index = PatternIndex((number, Patterns.of(pattern)) for number, pattern in enumerate(patterns))
    printable = text.isprintable()
    fitting = [number for number, each in enumerate(patterns) if _fits(each, text) and (printable or WILD not in each)]
    assert list(numbers(index.fitting(text))) == fitting


HEAD = 'checked = "head", '
REFUSED_BY_ALL = {
    "names": (HEAD + 'artifact_name = ["r{}-*"]', "artifact_name"),
    "names that end so": (HEAD + 'artifact_name = ["*-r{}"]', "artifact_name"),
    "names that have it inside": (HEAD + 'artifact_name = ["*-r{}-*"]', "artifact_name"),
    "what it provides": (HEAD + 'provides = {{ "rootfs-image.version" = ["{}"] }}', "provides.rootfs-image.version"),
    "one of two tables": (
        HEAD + 'any = [{{ artifact_name = ["r{}-*"] }}, {{ device_types = ["d{}"] }}]',
        "any",
    ),
    "every one of two tables": (
        HEAD + 'all = [{{ artifact_name = ["*"] }}, {{ device_types = ["d{}"] }}]',
        "all.device_types",
    ),
    "what must not be so": (HEAD + 'not = {{ artifact_name = ["release-*"], scripts = ["*", "**"] }}', "not"),
    "what must not be so of one of two": (
        HEAD + 'not = {{ any = [{{ artifact_name = ["r{}-*"] }}, {{ not = {{ device_types = ["d{}"] }} }}] }}',
        "not",
    ),
    "versions": (HEAD + 'version = {{ from = "artifact_name", prefix = "r{}-", order = "numeric" }}', "version"),
}


@pytest.mark.parametrize("sentence", REFUSED_BY_ALL)
def test_of_many_rules_that_refuse_none_is_asked_and_the_first_is_named(
    sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    when, condition = REFUSED_BY_ALL[sentence]
    rules = policy("".join(rule(when.format(n, n), name=f"n{n}") for n in range(20)))
    asked = []
    monkeypatch.setattr("signer.domain.access.deciding.answer_of", _counting(asked))
    decision = decided(rules, head_seen())
    assert isinstance(decision, Deny)
    assert (decision.rule, decision.condition) == ("n0", condition)
    assert asked == ["n0"]


def test_of_many_that_need_more_than_is_shown_none_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = policy("".join(rule(HEAD + "scripts = false", name=f"n{n}") for n in range(20)) + rule(name="last"))
    asked: list[str] = []
    monkeypatch.setattr("signer.domain.access.deciding.answer_of", _counting(asked))
    assert decided(rules, manifest_seen()) == Allow(rule="last")
    assert asked == ["last"]


def test_more_values_than_are_looked_at_are_refused_by_all() -> None:
    rules = policy("".join(rule(HEAD + 'device_types = ["**"]', name=f"n{n}") for n in range(9)))
    decision = decided(rules, head_seen(device_types=tuple(map(str, range(MAX_VALUES + 1)))))
    assert isinstance(decision, Deny)
    assert decision.condition == "device_types"


def test_what_holds_at_a_time_is_found_anew_in_the_next_minute() -> None:
    rules = policy(rule('hours = ["sun 14:00-14:01"]') + rule('hours = ["mon 00:00-24:00"]', name="monday"))
    inside = datetime.fromisoformat("2026-11-29T14:00:59+00:00")
    assert decided(rules, manifest_seen(), at=inside) == Allow(rule="fw-build")
    assert isinstance(decided(rules, manifest_seen(), at=inside.replace(minute=1, second=0)), Deny)
    assert decided(rules, manifest_seen(), at=inside) == Allow(rule="fw-build")


def _counting(asked: list[str]) -> object:
    from signer.domain.access.deciding import answer_of

    def counted(rule: object, *args: object, **named: object) -> object:
        asked.append(rule.name)  # type: ignore[attr-defined]
        return answer_of(rule, *args, **named)  # type: ignore[arg-type]

    return counted
