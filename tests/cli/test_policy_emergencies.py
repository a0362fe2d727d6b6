"""``policy check`` and ``policy test`` of what people may have signed without approvals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from signer.cli.main import run
from tests.signer.domain.access.cases import rule

GUARDED = rule(
    name="release",
    principals='["group:release"]',
    approvals='[{ group = "qa", count = 2 }]',
    emergency='["person:ada"]',
)
ADA = ("--as", "api-token:ada", "--person", "ada", "--group", "release", "--key", "fw")
BOB = ("--as", "api-token:bob", "--person", "bob", "--group", "release", "--key", "fw")
CASE = """
[[cases]]
name = "ada in an emergency"
as = "api-token:ada"
person = "ada"
groups = ["release"]
key = "fw"
emergency = true
expect = "emergency"
rule = "release"
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text("version = 1\n" + GUARDED)
    return path


CHECKS = {
    "who is named": ((*ADA, "--emergency"), 0, "emergency: by the rule release"),
    "who is named and names none": (ADA, 4, "approval: by the rule release"),
    "somebody else": (
        (*BOB, "--emergency"),
        1,
        "deny: the rule release does not allow it: emergency: it does not name person:bob for emergencies",
    ),
    "nobody's credential": (
        ("--as", "api-token:ada", "--group", "release", "--key", "fw", "--emergency"),
        1,
        "deny: the rule release does not allow it: emergency: people decide of emergencies, and the credential is no "
        "person's",
    ),
}


@pytest.mark.parametrize("sentence", CHECKS)
def test_check_says(sentence: str, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked, code, line = CHECKS[sentence]
    assert run(["policy", "check", *asked, "--policy", str(policy)]) == code
    assert capsys.readouterr().out.splitlines()[0] == line


def test_check_says_it_to_machines(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", *ADA, "--emergency", "--json", "--policy", str(policy)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["decision"], said["rules"][0]["says"]) == ("emergency", "allows in an emergency")


def test_check_knows_emergencies_of_signing_alone(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["policy", "check", *ADA, "--action", "manage", "--emergency", "--policy", str(policy)]
    assert run(asked) == 2
    assert "approvals are of signing" in capsys.readouterr().err


CASES = {
    "as it says": (CASE, 0, "ok  ada in an emergency"),
    "no emergency": (CASE.replace("emergency = true\n", ""), 1, "got approval"),
    "somebody else": (CASE.replace('"ada"', '"bob"'), 1, "got deny"),
    "an allowance that is none of emergencies": (CASE.replace('expect = "emergency"', 'expect = "allow"'), 1, "got em"),
    "an emergency of managing": (CASE + 'action = "manage"\n', 1, "case number 1.emergency: passes approvals of"),
    "an emergency that is a text": (CASE.replace("true", '"yes"'), 1, "case number 1.emergency: must be true or"),
}


@pytest.mark.parametrize("sentence", CASES)
def test_cases_are_answered(sentence: str, policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, code, told = CASES[sentence]
    cases = policy.parent / "cases.toml"
    cases.write_text(text)
    assert run(["policy", "test", str(cases), "--policy", str(policy)]) == code
    done = capsys.readouterr()
    assert told in done.out + done.err
