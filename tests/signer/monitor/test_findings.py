"""What is told of a leaf: signatures that no rule expects, changes, and whatever nobody knows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from signer.domain.events import EventType
from signer.domain.weeks import Window
from signer.errors import ExpectationsInvalid
from signer.monitor.expectations import Expectations, load_expectations
from signer.monitor.findings import Finding, Position, told
from signer.monitor.patterns import matches
from tests.signer.monitor.leaves import leaf
from verifier.log import canonical_leaf

RULES = """
version = 1
timezone = "Europe/Berlin"

[[signatures]]
name = "releases"
keys = ["firmware", "fw-*"]
identities = ["api-token:build", "ci:github/*"]
artifacts = ["release-*"]
times = ["mon-fri 06:00-20:00", "sat 10:00-12:00"]

[[signatures]]
name = "broken glass"
keys = ["rescue"]
emergency = true

[[signatures]]
name = "unseen"
keys = ["legacy"]
blind = true

[[changes]]
name = "rotation"
types = ["version-prepared", "key-rotated"]
keys = ["firmware"]
identities = ["api-token:admin"]
"""
INSIDE = Position(newest="2026-01-01T00:00:00.000000Z", beginning=False)


def rules(tmp_path: Path, text: str = RULES) -> Expectations:
    path = tmp_path / "expect.toml"
    path.write_text(text, encoding="utf-8")
    return load_expectations(path)


def one(raw: bytes, expectations: Expectations | None, *, index: int = 5, position: Position = INSIDE) -> list[Finding]:
    return list(told(raw, index, position, expectations)[0])


def test_a_recall_is_told_whatever_is_expected(tmp_path: Path) -> None:
    text = RULES + '[[changes]]\nname = "all"\ntypes = ["*"]\n'
    for expectations in (None, rules(tmp_path, text)):
        (finding,) = one(leaf("release-recalled", manifest_sha256="a" * 64), expectations)
        assert (finding.kind, finding.why) == ("recall", "release-recalled")


def at(text: str) -> dict[str, str]:
    """Monday is the 5th of January 2026; in Berlin it is an hour later."""
    return {"time": f"2026-01-{text}:00.000000Z"}


EXPECTED: dict[str, dict[str, Any]] = {
    "what the rule names": {},
    "another key of the rule": {"key": "fw-1"},
    "another identity of the rule": {"actor": "ci:github/1234"},
    "the first minute": at("05T05:00"),
    "the last minute": at("05T18:59"),
    "a Saturday morning": at("10T09:30"),
    "an emergency that is allowed for": {"key": "rescue", "emergency": True},
    "no emergency under that rule either": {"key": "rescue"},
    "an emergency that is none": {"emergency": False},
    "a digest that is allowed for": {"key": "legacy", "checked": "blind"},
    "a head under that rule": {"key": "legacy", "checked": "head"},
}


@pytest.mark.parametrize("members", EXPECTED.values(), ids=EXPECTED)
def test_a_signature_is_expected(members: dict[str, Any], tmp_path: Path) -> None:
    assert one(leaf(**members), rules(tmp_path)) == []


UNEXPECTED: dict[str, tuple[dict[str, Any], str, str]] = {
    "another key": ({"key": "other"}, "unexpected-signature", "keys of releases"),
    "a key with the pattern inside": ({"key": "xfw-1"}, "unexpected-signature", "keys of releases"),
    "a key with a segment more": ({"key": "fw-1/x"}, "unexpected-signature", "keys of releases"),
    "another identity": ({"actor": "api-token:other"}, "unexpected-signature", "identities of releases"),
    "an identity with a segment more": ({"actor": "ci:github/1/2"}, "unexpected-signature", "identities of releases"),
    "another artifact": ({"artifact": "test-1"}, "unexpected-signature", "artifacts of releases"),
    "an artifact with a segment more": ({"artifact": "release-/1"}, "unexpected-signature", "artifacts of releases"),
    "an artifact whose name is a number": ({"artifact": 7}, "unexpected-signature", "artifacts of releases"),
    "a minute too early": (at("05T04:59"), "unexpected-signature", "times of releases"),
    "a minute too late": (at("05T19:00"), "unexpected-signature", "times of releases"),
    "a Saturday afternoon": (at("10T11:00"), "unexpected-signature", "times of releases"),
    "a Sunday": (at("11T10:00"), "unexpected-signature", "times of releases"),
    "a night that is a day in London": (at("05T19:30"), "unexpected-signature", "times of releases"),
    "an emergency": ({"emergency": True}, "emergency", "emergency of releases"),
    "a digest": ({"checked": "blind"}, "blind-signature", "blind of releases"),
    "a digest in an emergency": ({"checked": "blind", "emergency": True}, "emergency", "blind, emergency of releases"),
    "two members that do not fit": (
        {"actor": "x", "artifact": "x"}, "unexpected-signature", "identities, artifacts of releases"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["signature", "signature-repeated"])
@pytest.mark.parametrize(("members", "finding", "why"), UNEXPECTED.values(), ids=UNEXPECTED)
def test_a_signature_is_told(kind: str, members: dict[str, Any], finding: str, why: str, tmp_path: Path) -> None:
    (found,) = one(leaf(kind, **members), rules(tmp_path))
    assert (found.kind.value, found.why, found.index) == (finding, why, 5)


def test_a_signature_of_a_bare_manifest_has_no_name_that_fits(tmp_path: Path) -> None:
    raw = canonical_leaf({"type": "signature", "actor": "api-token:build", "key": "firmware", **at("05T10:00")})
    assert [found.why for found in one(raw, rules(tmp_path))] == ["artifacts of releases"]


def test_without_rules_what_nobody_saw_is_told() -> None:
    (found,) = one(leaf(checked="blind"), None)
    assert (found.kind, found.why) == ("blind-signature", "nothing was seen of what was signed")


def test_without_rules_only_emergencies_are_told(tmp_path: Path) -> None:
    assert one(leaf(actor="anybody"), None) == []
    assert [found.kind for found in one(leaf(emergency=True), None)] == ["emergency"]


EMERGENCIES: dict[str, Any] = {"yes": True, "a text": "false", "a number": 0, "a list": []}


@pytest.mark.parametrize("said", EMERGENCIES.values(), ids=EMERGENCIES)
@pytest.mark.parametrize("kind", ["signature", "signature-repeated"])
def test_an_emergency_is_told_unless_it_is_allowed(kind: str, said: Any, tmp_path: Path) -> None:
    raw = leaf(kind, emergency=said)
    for expectations in (None, rules(tmp_path)):
        assert [found.kind for found in told(raw, 5, INSIDE, expectations)[0]] == ["emergency"]
        assert told(raw, 5, INSIDE, expectations, allow_emergency=True)[0] == ()


def test_what_else_does_not_fit_is_told_of_emergencies_that_are_allowed(tmp_path: Path) -> None:
    raw = leaf(actor="api-token:other", emergency=True)
    (found,) = told(raw, 5, INSIDE, rules(tmp_path), allow_emergency=True)[0]
    assert (found.kind, found.why) == ("emergency", "identities of releases")


def test_a_broken_glass_is_told_where_emergencies_are_allowed() -> None:
    raw = leaf("policy-applied", after={"revision": 2, "break_glass": True})
    assert [found.kind for found in told(raw, 5, INSIDE, None, allow_emergency=True)[0]] == ["emergency"]


def test_a_policy_that_was_applied_past_what_guards_it_is_told_whatever_is_expected(tmp_path: Path) -> None:
    path = tmp_path / "expected.toml"
    path.write_text('version = 1\n[[changes]]\nname = "policies"\ntypes = ["policy-applied"]\n')
    expected = load_expectations(path)
    assert one(leaf("policy-applied", after={"revision": 2}), expected) == []
    for expectations in (expected, None):
        found = one(leaf("policy-applied", after={"revision": 2, "break_glass": True}), expectations)
        assert [each.kind for each in found] == ["emergency"]
    assert [found.why for found in one(leaf(), rules(tmp_path, "version = 1"))] == ["no signature is expected"]


CHANGES = [
    *(each.value for each in EventType),
    "log-key-changed",
    "log-continued",
    "signature-recalled",
    "policy-applied",
]


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_is_told(kind: str, tmp_path: Path) -> None:
    for expectations in (None, rules(tmp_path)):
        (found,) = one(leaf(kind, 7), expectations)
        assert (found.kind.value, found.why) == ("change", kind)


def test_a_change_that_a_rule_expects_is_not_told(tmp_path: Path) -> None:
    expected = {"key": "firmware", "actor": "api-token:admin"}
    assert one(leaf("key-rotated", **expected), rules(tmp_path)) == []
    for members in ({"key": "other"}, {"actor": "api-token:build"}):
        assert len(one(leaf("key-rotated", **(expected | members)), rules(tmp_path))) == 1
    assert [each.kind for each in one(leaf("key-rotated", **expected, emergency=True), rules(tmp_path))] == [
        "emergency"
    ]


def test_a_refusal_is_not_told() -> None:
    assert one(leaf("signature-refused"), None) == []


def run(*leaves: bytes) -> list[tuple[int, str]]:
    position, found = Position(), []
    for index, raw in enumerate(leaves):
        findings, position = told(raw, index, position, None)
        found += [(each.index, each.kind.value) for each in findings]
    return found


BEGINNING = (leaf("log-created"), leaf("event-imported", 1), leaf("event-imported", 2))
RUNS: dict[str, tuple[tuple[bytes, ...], list[tuple[int, str]]]] = {
    "the beginning of a log": (BEGINNING, []),
    "an import after it": ((*BEGINNING, leaf(index=3), leaf("event-imported", 4)), [(4, "change")]),
    "a second beginning": ((*BEGINNING, leaf("log-created", 3)), [(3, "change")]),
    "another beginning": ((leaf("log-continued"), leaf("event-imported", 1)), [(0, "change"), (1, "change")]),
    "a time that goes back": ((leaf(index=9), leaf(index=3)), [(1, "time-went-back")]),
    "a time that stands still": ((leaf(index=9), leaf(index=9)), []),
    "a time that was corrected": ((leaf(index=9), leaf("clock-corrected", 3), leaf(index=4)), [(1, "change")]),
    "bytes": ((b"\xff",), [(0, "malformed-leaf")]),
    "a leaf in another spelling": ((leaf().replace(b",", b", "),), [(0, "malformed-leaf")]),
    "a leaf with another time": ((leaf(time="2026-01-05T10:00:00Z"),), [(0, "malformed-leaf")]),
    "a leaf with other digits": ((leaf(time="2026-01-05T10:00:0\u0663.000000Z"),), [(0, "malformed-leaf")]),
    "a leaf without a time": ((canonical_leaf({"type": "signature"}),), [(0, "malformed-leaf")]),
    "a leaf without a type": ((canonical_leaf(at("05T10:00")),), [(0, "malformed-leaf")]),
    "a leaf whose type is a list": ((leaf(type=["signature"]),), [(0, "malformed-leaf")]),
    "no leaf": ((b"",), [(0, "malformed-leaf")]),
}


@pytest.mark.parametrize(("leaves", "found"), RUNS.values(), ids=RUNS)
def test_of_a_run_of_leaves(leaves: tuple[bytes, ...], found: list[tuple[int, str]]) -> None:
    assert run(*leaves) == found


@pytest.mark.parametrize(("pattern", "name"), [
    ("a", "a"), ("*", ""), ("*", "abc"), ("a*", "a"), ("a*c", "abc"), ("a*c", "ac"), ("*b*", "abc"), ("a/*", "a/b"),
    ("*/*", "/"), ("a*b*c", "a-b-b-c"), ("**", "x"), ("a.c", "a.c"), ("[a]", "[a]"),
    ("a*ba", "abba"), ("*\u20ac", "1\u20ac"),
])  # fmt: skip
def test_a_pattern_fits(pattern: str, name: str) -> None:
    assert matches(pattern, name)


@pytest.mark.parametrize(("pattern", "name"), [
    ("a", "b"), ("a", "ab"), ("a", "ba"), ("", "a"), ("*", "a/b"), ("a*", "ba"), ("a*c", "abcd"), ("*b*", "ac"),
    ("a/*", "a"), ("a/*", "a/b/c"), ("*/*", "a"), ("a.c", "abc"), ("[a]", "a"), ("a*a", "a"), ("ab*ba", "aba"),
    ("a?c", "abc"), ("A", "a"), ("a*b*c", "acb"), ("a*", "a\n/"),
])  # fmt: skip
def test_a_pattern_does_not_fit(pattern: str, name: str) -> None:
    assert not matches(pattern, name)


def test_a_long_name_costs_no_more_than_its_length() -> None:
    started = time.process_time()
    assert not matches("*a" * 200 + "*b", "a" * 16_000 + "c")
    assert time.process_time() - started < 1


@pytest.mark.parametrize("text", [
    "", "mon", "06:00-20:00", "mon 6:00-20:00", "mon 06:00-06:00", "mon 20:00-06:00",
    "mon 06:00-24:01", "mon 29:00-30:00", "mon 06:00",
    "mon 06:60-07:00", "Mon 06:00-20:00", "mon-fri  06:00-20:00", "mon,tue 06:00-20:00", "mon 06:00-20:00 ",
    "day 06:00-20:00",
    "mon 0\u0666:00-20:00",
])  # fmt: skip
def test_no_time_of_the_week_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        Window.parse(text)


def test_days_go_over_the_end_of_a_week() -> None:
    assert Window.parse("sat-mon 00:00-24:00").days == {5, 6, 0}


FILES = {
    "nothing": ("", "version"),
    "another version": ("version = 2", "version"),
    "no TOML": ("[[", "is not TOML"),
    "a member that is not known": ("version = 1\nkeys = []", "keys"),
    "a member of a rule that is not known": (
        'version = 1\n[[signatures]]\nname = "x"\nkey = ["y"]',
        "signatures.0.key",
    ),
    "a rule without a name": ("version = 1\n[[signatures]]", "signatures.0.name"),
    "an empty list": ('version = 1\n[[signatures]]\nname = "x"\nkeys = []', "signatures.0.keys"),
    "an empty pattern": ('version = 1\n[[signatures]]\nname = "x"\nkeys = [""]', "signatures.0.keys.0"),
    "text for a list": ('version = 1\n[[signatures]]\nname = "x"\nkeys = "y"', "signatures.0.keys"),
    "no times": ('version = 1\n[[signatures]]\nname = "x"\ntimes = []', "signatures.0.times"),
    "a time that is none": ('version = 1\n[[signatures]]\nname = "x"\ntimes = ["noon"]', "signatures.0.times"),
    "a zone that is none": ('version = 1\ntimezone = "Berlin"', "timezone"),
    "a zone outside": ('version = 1\ntimezone = "../../etc/passwd"', "timezone"),
    "a change without types": ('version = 1\n[[changes]]\nname = "x"', "changes.0.types"),
    "bytes": ("\udcff", "is not TOML"),
    "too much": ("#" * (2 << 20), "more than"),
}


@pytest.mark.parametrize(("text", "told_of"), FILES.values(), ids=FILES)
def test_no_expectations_are(text: str, told_of: str, tmp_path: Path) -> None:
    path = tmp_path / "expect.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ExpectationsInvalid) as caught:
        load_expectations(path)
    assert any(told_of in problem for problem in caught.value.problems), caught.value.problems


def test_expectations_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ExpectationsInvalid, match="cannot be read"):
        load_expectations(tmp_path / "no.toml")
