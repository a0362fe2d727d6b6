"""Sessions with ``policy check``, ``policy test`` and ``policy diff``: on files, without a service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from signer.cli.main import run
from tests.artifacts import ArtifactBuilder
from tests.signer.domain.access.cases import rule

HEAD = 'checked = "head", '
RULES = "version = 1\n" + "\n".join(
    [
        rule(HEAD + 'artifact_name = ["corpus-*"]'),
        rule(HEAD + 'device_types = ["prod-*"]', name="no-prod", effect="deny", principals='["group:ci"]'),
        rule(name="people", principals='["group:operators"]', actions='["manage"]', keys='["**"]'),
    ]
)
CHECK = ("--as", "ci:github/1", "--key", "fw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Desk:
    """A folder with a policy and artifacts, and commands that are run in it."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys = capsys
        self.folder = folder
        self.policy = self.file("policy.toml", RULES)
        self.artifact = self.folder / "a.mender"
        self.artifact.write_bytes(ArtifactBuilder().build())

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def __call__(self, *arguments: str | Path) -> Done:
        code = run(["policy", *map(str, arguments)])
        out, err = self._capsys.readouterr()
        return Done(code=code, out=out, err=err)

    def check(self, *arguments: str | Path) -> Done:
        return self("check", *arguments, "--policy", self.policy)

    def test(self, cases: str) -> Done:
        return self("test", self.file("cases.toml", cases), "--policy", self.policy)


@pytest.fixture
def desk(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Desk:
    return Desk(capsys, tmp_path)


class TestCheck:
    """One request, explained."""

    def test_what_is_allowed(self, desk: Desk) -> None:
        done = desk.check(desk.artifact, *CHECK)
        assert done.out == (
            "allow: by the rule fw-build\n"
            "RULE      SAYS          CONDITION  WHY\n"
            "fw-build  allows\n"
            "no-prod   about others\n"
            "people    about others\n"
        )
        assert (done.code, done.err) == (0, "")

    def test_what_is_denied_says_why(self, desk: Desk) -> None:
        desk.policy.write_text(RULES.replace("corpus-*", "release-*"))
        done = desk.check(desk.artifact, *CHECK, "--group", "ci", "--group", "operators")
        first, _, *rules = done.out.splitlines()
        assert first == "deny: the rule fw-build does not allow it: artifact_name: corpus-release is not allowed"
        assert [line.split()[:3] for line in rules] == [
            ["fw-build", "not", "met"],
            ["no-prod", "not", "met"],
            ["people", "about", "other"],
        ]
        assert done.code == 1

    def test_a_rule_that_approvals_of_another_make_useless_is_told_of(self, desk: Desk) -> None:
        guard = rule(name="guard", principals='["ci:github/2"]', approvals='[{ group = "qa", count = 1 }]')
        desk.policy.write_text(RULES + guard)
        done = desk.check(desk.artifact, *CHECK)
        sentence = "another rule asks for approvals of fw, so that this one lets nobody sign with it"
        assert (done.code, done.err) == (1, f"artifact-signer: warning: rule fw-build: {sentence}\n")

    def test_a_manifest_shows_too_little(self, desk: Desk) -> None:
        manifest = desk.folder / "manifest"
        manifest.write_bytes(ArtifactBuilder().manifest())
        done = desk.check(manifest, *CHECK, "--json")
        document = json.loads(done.out)
        assert (done.code, document["decision"], document["rule"]) == (1, "deny", "fw-build")
        assert document["rules"][0] == {
            "name": "fw-build",
            "says": "not met",
            "condition": "checked",
            "why": "head has to be shown, manifest only was",
        }

    def test_the_head_is_shown_and_with_whole_all_of_it(self, desk: Desk) -> None:
        desk.policy.write_text("version = 1\n" + rule('checked = "artifact", size = 1000000'))
        assert desk.check(desk.artifact, *CHECK).code == 1
        assert desk.check(desk.artifact, *CHECK, "--whole").code == 0

    def test_what_needs_approval(self, desk: Desk) -> None:
        desk.policy.write_text("version = 1\n" + rule(approvals='[{ group = "qa", count = 1 }]'))
        done = desk.check(desk.artifact, *CHECK)
        assert (done.code, done.out.splitlines()[0]) == (4, "approval: by the rule fw-build")

    def test_other_actions_need_no_artifact(self, desk: Desk) -> None:
        asking = ("--as", "user:o@x", "--group", "operators", "--action")
        assert desk.check(*asking, "manage", "--key", "fw").code == 0
        assert desk.check(*asking, "administer").code == 1

    def test_a_moment_may_be_given(self, desk: Desk) -> None:
        desk.policy.write_text("version = 1\n" + rule('hours = ["mon 08:00-09:00"]'))
        assert desk.check(desk.artifact, *CHECK, "--at", "2030-01-07T08:30:00").code == 0
        assert desk.check(desk.artifact, *CHECK, "--at", "2030-01-07T09:30:00").code == 1

    def test_no_rules_at_all(self, desk: Desk) -> None:
        desk.policy.write_text("version = 1\n")
        done = desk.check(desk.artifact, *CHECK)
        assert "there are no rules, so ci:github/1 may do nothing" in done.out

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("--as", "a"), "sign is done with a --key"),
            (("--as", "a", "--key", "fw", "--action", "administer"), "administer is done without a --key"),
            (("a.mender", "--as", "a", "--key", "fw", "--action", "read"), "an artifact decides of signing"),
            (("--key", "fw"), "Missing option '--as'"),
            (("nothing.mender", *CHECK), "does not exist"),
        ],
    )
    def test_what_cannot_be_asked(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
    ) -> None:
        monkeypatch.chdir(desk.folder)
        done = desk.check(*arguments)
        assert (done.code, done.out) == (2, "")
        assert sentence in done.err

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"version = 2\n", "the policy cannot be used: version: must be 1"),
            (b"\xff\xfe", "the policy cannot be used: is not TOML"),
            (b"x", "the policy cannot be used: is not TOML"),
        ],
    )
    def test_what_is_no_policy(self, desk: Desk, content: bytes, sentence: str) -> None:
        desk.policy.write_bytes(content)
        done = desk.check(desk.artifact, *CHECK)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"artifact-signer: {sentence}")

    def test_what_is_no_artifact(self, desk: Desk) -> None:
        desk.artifact.write_bytes(b"version\0 and nothing else")
        done = desk.check(desk.artifact, *CHECK)
        assert (done.code, done.out) == (1, "")
        assert "Traceback" not in done.err


CASES = """
[[cases]]
name = "a release"
as = "ci:github/1"
key = "fw"
artifact = "a.mender"
expect = "allow"
rule = "fw-build"

[[cases]]
name = "no management"
as = "ci:github/1"
action = "manage"
key = "fw"
expect = "deny"
"""

WRONG_CASES = {
    "no TOML": ("[[cases", "is not TOML"),
    "no cases": ("", "cases: must be a list of 1 to"),
    "something else": (CASES + "[more]\n", "more: is not known here"),
    "a member that is not known": (CASES + "who = 'a'\n", "case number 2.who: is not known here"),
    "an answer that is none": (CASES.replace('"deny"', '"maybe"'), "case number 2.expect: must be one of"),
    "an action that is none": (CASES.replace('"manage"', '"fly"'), "case number 2.action: must be one of"),
    "no key": (CASES.replace('key = "fw"\nexpect', "expect"), "case number 2.key: manage is done with one"),
    "a key too many": (CASES.replace('"manage"', '"administer"'), "case number 2.key: administer is done without one"),
    "an artifact that is not there": (CASES.replace("a.mender", "b.mender"), "there is no file b.mender"),
    "an artifact for managing": (CASES + 'artifact = "a.mender"\n', "decides of signing, not of manage"),
    "a moment without a zone": (CASES + "at = 2030-01-07T08:00:00\n", "case number 2.at: must be a moment"),
    "no name": (CASES.replace('name = "a release"\n', ""), "case number 1.name: must be a text"),
    "nobody": (CASES.replace('as = "ci:github/1"\nkey', "key"), "case number 1.as: must be a text"),
    "whole that is a text": (CASES + 'whole = "yes"\n', "case number 2.whole: must be true or false"),
}


class TestCases:
    """A table of cases beside a policy."""

    def test_all_are_answered_as_they_say(self, desk: Desk) -> None:
        done = desk.test(CASES)
        assert (done.code, done.out) == (0, "ok  a release\nok  no management\n")
        assert done.err == "artifact-signer: all 2 cases are answered as they say\n"

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ('"allow"', '"deny"', "expected deny by fw-build, got allow: by the rule fw-build"),
            ('"fw-build"', '"people"', "expected allow by people, got allow: by the rule fw-build"),
        ],
    )
    def test_one_is_not(self, desk: Desk, old: str, new: str, told: str) -> None:
        done = desk.test(CASES.replace(old, new))
        assert done.out == f"FAILED  a release\n        {told}\nok  no management\n"
        assert (done.code, done.err) == (1, "artifact-signer: 1 of 2 cases failed\n")

    @pytest.mark.parametrize("sentence", WRONG_CASES)
    def test_is_no_table_of_cases(self, desk: Desk, sentence: str) -> None:
        cases, problem = WRONG_CASES[sentence]
        done = desk.test(cases)
        assert (done.code, done.out) == (1, "")
        assert f"is no table of cases: {problem}" in done.err or problem in done.err


class TestDiff:
    """By rules, whatever the texts look like."""

    def compared(self, desk: Desk, new: str, *more: str) -> Done:
        return desk("diff", desk.policy, desk.file("new.toml", new), *more)

    def test_what_changed_is_told_by_member(self, desk: Desk) -> None:
        changed = RULES.replace('["corpus-*"]', '["corpus-*", "hotfix-*"]').replace('name = "people"', 'name = "ops"')
        done = self.compared(desk, changed)
        assert done.out == (
            "changed rule fw-build\n"
            '- when = {"checked": "head", "artifact_name": ["corpus-*"]}\n'
            '+ when = {"checked": "head", "artifact_name": ["corpus-*", "hotfix-*"]}\n'
            "added rule ops\n"
            '+ name = "ops"\n'
            '+ effect = "allow"\n'
            '+ principals = ["group:operators"]\n'
            '+ actions = ["manage"]\n'
            '+ keys = ["**"]\n'
            "removed rule people\n"
            '- name = "people"\n'
            '- effect = "allow"\n'
            '- principals = ["group:operators"]\n'
            '- actions = ["manage"]\n'
            '- keys = ["**"]\n'
        )
        assert done.code == 0

    def test_machines_get_both_rules(self, desk: Desk) -> None:
        done = self.compared(desk, 'version = 1\ntimezone = "Asia/Tokyo"\n', "--json")
        document = json.loads(done.out)
        assert [change["change"] for change in document["changes"]] == ["removed"] * 3
        assert document["changes"][0]["before"]["name"] == "fw-build"
        assert (document["changes"][0]["after"], document["timezone"]) == (None, ["UTC", "Asia/Tokyo"])

    def test_a_time_zone_is_told(self, desk: Desk) -> None:
        done = self.compared(desk, RULES.replace("version = 1\n", 'version = 1\ntimezone = "Asia/Tokyo"\n'))
        assert done.out == "changed timezone\n- UTC\n+ Asia/Tokyo\n"

    def test_layout_is_no_change(self, desk: Desk) -> None:
        done = self.compared(desk, "# by another hand\n" + RULES)
        assert (done.out, done.err) == ("", "artifact-signer: both say the same\n")

    def test_order_is_told(self, desk: Desk) -> None:
        first, second = rule(name="one"), rule(name="two")
        desk.policy.write_text("version = 1\n" + first + second)
        done = self.compared(desk, "version = 1\n" + second + first)
        assert done.err == "artifact-signer: both have the same rules, in another order\n"

    def test_what_is_no_policy(self, desk: Desk) -> None:
        done = self.compared(desk, "rules = 5")
        assert (done.code, done.out) == (1, "")
        assert "rules: must be a list" in done.err
