"""Reading policies: what is one, and every way in which a text is none, told with the rule and the member."""

from __future__ import annotations

import time

import pytest

from signer.domain.access.actions import Action
from signer.domain.access.canonical import digest, policy_document, rule_document
from signer.domain.access.patterns import Patterns
from signer.domain.access.policy import Effect
from signer.domain.access.reading import MAX_POLICY_BYTES, is_principal, parse_policy
from signer.errors import PolicyInvalid

from .cases import policy, rule

HEAD = 'checked = "head", '
NESTED = "not = { " * 5 + 'hours = ["mon 00:00-24:00"]' + " }" * 5

WHOLE = """
version = 1
timezone = "Europe/Berlin"

[[rules]]
name = "fw-release"
effect = "allow"
principals = ["group:release", "ci:github/456789"]
actions = ["sign"]
keys = ["fw-*", "firmware"]
when = { checked = "head", artifact_name = ["release-*"], scripts = false, hours = ["mon-fri 08:00-18:00"], \
version = { from = "artifact_name", prefix = "release-", order = "numeric" } }
approvals = [{ group = "qa", count = 1 }]

[[rules]]
name = "auditors"
effect = "allow"
principals = ["group:audit"]
actions = ["read-log"]
"""

DOCUMENT = {
    "version": 1,
    "timezone": "Europe/Berlin",
    "rules": [
        {
            "name": "fw-release",
            "effect": "allow",
            "principals": ["ci:github/456789", "group:release"],
            "actions": ["sign"],
            "keys": ["firmware", "fw-*"],
            "when": {
                "checked": "head",
                "artifact_name": ["release-*"],
                "scripts": False,
                "hours": ["mon-fri 08:00-18:00"],
                "version": {"from": "artifact_name", "prefix": "release-", "order": "numeric"},
            },
            "approvals": [{"group": "qa", "count": 1}],
        },
        {"name": "auditors", "effect": "allow", "principals": ["group:audit"], "actions": ["read-log"]},
    ],
}

# The text, and what one of the problems says.
REFUSED = {
    "no TOML": ("version = ", "is not TOML"),
    "a member twice": ("version = 1\nversion = 1", "is not TOML"),
    "too large": ("version = 1\n#" + "x" * MAX_POLICY_BYTES, "more than"),
    "too deep for a parser": ("version = 1\nx = " + "[" * 100_000, "is not TOML"),
    "no version": (rule(), "version: must be 1"),
    "another version": ("version = 2", "version: must be 1"),
    "a version that is true": ("version = true", "version: must be 1"),
    "a member that is not known": ("version = 1\nowner = 'me'", "owner: is not known here"),
    "a time zone that is none": ("version = 1\ntimezone = 'Mars/Base'", "timezone: must be a time zone"),
    "a time zone that is a path": ("version = 1\ntimezone = '../../etc/passwd'", "timezone: must be a time zone"),
    "rules that are no list": ("version = 1\n[rules]\nname = 'a'", "rules: must be a list"),
    "a rule that is no table": ("version = 1\nrules = ['a']", "rule number 1: must be a table"),
}

REFUSED_RULES = {
    "a member that is not known": (rule(priority="1"), "rule fw-build.priority: is not known here"),
    "a name with a space": (rule(name="fw build"), "rule number 1.name: must be"),
    "a name of 64 characters": (rule(name="a" * 64), "name: must be"),
    "a name twice": (rule() + rule(), "rule fw-build: another rule has this name"),
    "an effect that is none": (rule(effect="permit"), "effect: must be one of allow, deny"),
    "no principals": (rule(principals="[]"), "principals: must have 1 to"),
    "principals that are a text": (rule(principals='"ci:github/1"'), "principals: must be a list"),
    "a principal twice": (rule(principals='["role:a", "role:a"]'), "principals: must not have an entry twice"),
    "a principal with a wild card": (rule(principals='["ci:github/*"]'), "principals: ci:github/* is not KIND:NAME"),
    "everybody": (rule(principals='["*"]'), "principals: * is not KIND:NAME"),
    "a principal of no kind": (rule(principals='["alice"]'), "principals: alice is not KIND:NAME"),
    "a principal of another kind": (rule(principals='["token:a"]'), "principals: token:a is not KIND:NAME"),
    "a principal without a name": (rule(principals='["role:"]'), "principals: role: is not KIND:NAME"),
    "a pipeline without an issuer": (rule(principals='["ci:456"]'), "principals: ci:456 is not KIND:NAME"),
    "a certificate without a CA": (rule(principals='["mtls:x"]'), "principals: mtls:x is not KIND:NAME"),
    "a principal with a newline": (rule(principals='["role:a\\n"]'), "principals: 'role:a\\n' is not KIND:NAME"),
    "no actions": (rule(actions="[]"), "actions: must have 1 to"),
    "an action that is none": (rule(actions='["sign", "fly"]'), "actions: fly is not one of sign, "),
    "every action": (rule(actions='["*"]'), "actions: * is not one of sign, "),
    "no keys": (rule(keys=""), "keys: must say with which keys"),
    "keys that nothing is done with": (rule(actions='["read-log"]'), "keys: are for actions that are done with a key"),
    "a regular expression": (rule(keys='["fw-.+$"]'), "keys: fw-.+$ must be letters"),
    "a key twice": (rule(keys='["fw", "fw"]'), "keys: must not have an entry twice"),
    "conditions that are no table": (rule(when="") + "when = 'x'\n", "when: must be a table"),
    "no condition": (rule() + "when = { }\n", "when: must ask for something"),
    "a condition that is not known": (rule("branch = ['main']"), "when.branch: is not known here"),
    "a name, whatever is shown": (
        rule('artifact_name = ["a"]'),
        'when.artifact_name: needs checked = "head" beside it',
    ),
    "a name, by a manifest": (rule('checked = "manifest", artifact_name = ["a"]'), 'needs checked = "head"'),
    "a size, by a head": (rule(HEAD + "size = 5"), 'when.size: needs checked = "artifact"'),
    "files, whatever is shown": (rule('files = ["a"]'), 'when.files: needs checked = "manifest"'),
    "a version, whatever is shown": (
        rule('version = { from = "artifact_name", order = "numeric" }'),
        'when.version: needs checked = "head"',
    ),
    "findings of the whole, by a head": (rule(HEAD + 'findings = ["payload-mode"]'), 'needs checked = "artifact"'),
    "findings of signatures": (rule(HEAD + 'findings = ["signature-der"]'), "findings: signature-der is not one of"),
    "nothing of which is shown": (rule('checked = "blind"'), "when.checked: must be one of manifest, head, artifact"),
    "what is inside not guards nothing": (
        rule('not = { checked = "head", artifact_name = ["a"] }'),
        'when.not.artifact_name: needs checked = "head"',
    ),
    "one of two tables shows nothing": (
        rule('any = [{ checked = "head", scripts = false }, { artifact_name = ["a"] }]'),
        'when.any[2].artifact_name: needs checked = "head"',
    ),
    "a version in a table of two": (
        rule(HEAD + 'any = [{ version = { from = "artifact_name", order = "numeric" } }]'),
        "when.any[1].version: is not known here",
    ),
    "no tables": (rule(HEAD + "any = []"), "when.any: must be a list of 1 to"),
    "a table that asks for nothing": (rule(HEAD + "any = [{}]"), "when.any[1]: must ask for something"),
    "too many tables": (rule(HEAD + f"any = [{', '.join(['{ scripts = false }'] * 17)}]"), "must have at most 16"),
    "too deep": (rule(NESTED), "must not stand deeper than 4"),
    "scripts of any kind": (rule(HEAD + "scripts = true"), "when.scripts: must be false, or a list"),
    "a pattern that is a number": (rule(HEAD + "artifact_name = [1]"), "when.artifact_name: must be a list of texts"),
    "no pattern": (rule(HEAD + "artifact_name = []"), "when.artifact_name: must have 1 to"),
    "a size that is no number": (rule('checked = "artifact", size = "5 MB"'), "when.size: must be a whole number"),
    "a size below one": (rule('checked = "artifact", size = 0'), "when.size: must be a whole number, at least 1"),
    "a size that is true": (rule('checked = "artifact", size = true'), "when.size: must be a whole number"),
    "an hour that is none": (rule('hours = ["25:00"]'), "when.hours: must be DAY"),
    "an hour over midnight": (rule('hours = ["mon 22:00-06:00"]'), "when.hours: must begin before it ends"),
    "no attribute": (rule(HEAD + "provides = {}"), "when.provides: must name an attribute"),
    "a name as an attribute": (
        rule(HEAD + 'provides = { artifact_name = ["a"] }'),
        "when.provides.artifact_name: has a member of its own",
    ),
    "a version of nowhere": (
        rule(HEAD + 'version = { from = "manifest", order = "numeric" }'),
        "when.version.from: must be artifact_name",
    ),
    "a version of no attribute": (
        rule(HEAD + 'version = { from = "provides:", order = "numeric" }'),
        "when.version.from: must be artifact_name",
    ),
    "a version without an order": (
        rule(HEAD + 'version = { from = "artifact_name" }'),
        "when.version.order: must be one of numeric, semver, debian",
    ),
    "a step where no numbers are": (
        rule(HEAD + 'version = { from = "artifact_name", order = "semver", max_step = 2 }'),
        "when.version.max_step: is a difference of numbers",
    ),
    "a step of nothing": (
        rule(HEAD + 'version = { from = "artifact_name", order = "numeric", max_step = 0 }'),
        "when.version.max_step: must be a whole number, at least 1",
    ),
    "content, for reading": (
        rule(HEAD + "scripts = false", actions='["sign", "read"]'),
        "when: what it asks of an artifact is for sign and",
    ),
    "what is shown, for managing": (
        rule('checked = "head"', actions='["manage"]'),
        "when: what it asks of an artifact",
    ),
    "approvals, for managing": (
        rule(actions='["manage"]', approvals='[{ group = "qa", count = 1 }]'),
        "approvals: is for sign and",
    ),
    "approvals of nobody": (rule(approvals='[{ group = "qa", count = 0 }]'), "approvals[1].count: must be a whole"),
    "no approvals": (rule(approvals="[]"), "approvals: must be a list of 1 to"),
    "a group twice": (
        rule(approvals='[{ group = "a", count = 1 }, { group = "a", count = 2 }]'),
        "approvals: must not have a group twice",
    ),
    "limits, for managing": (rule(actions='["manage"]', limits="{ per_day = 1 }"), "limits: is for sign and"),
    "limits to deny": (rule(effect="deny", limits="{ per_day = 1 }"), "limits: is for rules that allow"),
    "no limits": (rule(limits="{ }"), "limits: must have one of per_minute"),
    "a limit of nothing": (rule(limits="{ per_day = 0 }"), "limits.per_day: must be a whole number"),
    "a negative limit": (rule(limits="{ per_day = -1 }"), "limits.per_day: must be a whole number"),
    "a limit that is true": (rule(limits="{ per_day = true }"), "limits.per_day: must be a whole number"),
    "a limit with a fraction": (rule(limits="{ per_day = 1.5 }"), "limits.per_day: must be a whole number"),
    "a limit over what is counted": (rule(limits="{ per_day = 9007199254740993 }"), "limits.per_day: must be"),
    "a limit for a period that is none": (rule(limits="{ per_week = 1 }"), "limits.per_week: is not known here"),
    "a limit as a number": (rule(limits="5"), "limits: must be a table"),
    "an emergency without approvals": (rule(emergency='["person:ada"]'), "emergency: is for rules that ask for"),
    "an emergency of a group": (
        rule(approvals='[{ group = "qa", count = 1 }]', emergency='["group:qa"]'),
        "emergency: group:qa is not person:NAME",
    ),
    "an emergency of a credential": (
        rule(approvals='[{ group = "qa", count = 1 }]', emergency='["api-token:ada"]'),
        "emergency: api-token:ada is not person:NAME",
    ),
    "an emergency of everybody": (
        rule(approvals='[{ group = "qa", count = 1 }]', emergency='["person:*"]'),
        "emergency: person:* is not person:NAME",
    ),
    "an emergency of a person without a name": (
        rule(approvals='[{ group = "qa", count = 1 }]', emergency='["person:"]'),
        "emergency: person: is not person:NAME",
    ),
    "an emergency of nobody": (
        rule(approvals='[{ group = "qa", count = 1 }]', emergency="[]"),
        "emergency: must have 1 to",
    ),
    "an emergency of somebody twice": (
        rule(approvals='[{ group = "qa", count = 1 }]', emergency='["person:a", "person:a"]'),
        "emergency: must not have an entry twice",
    ),
    "an emergency that is a text": (
        rule(approvals='[{ group = "qa", count = 1 }]', emergency='"person:ada"'),
        "emergency: must be a list of texts",
    ),
    "an emergency to deny": (
        rule(effect="deny", approvals='[{ group = "qa", count = 1 }]', emergency='["person:ada"]'),
        "approvals: is for rules that allow",
    ),
    "approvals to deny": (
        rule(effect="deny", approvals='[{ group = "qa", count = 1 }]'),
        "approvals: is for rules that allow",
    ),
    "a floor to deny": (
        rule(HEAD + 'version = { from = "artifact_name", order = "numeric" }', effect="deny"),
        "when.version: is for rules that allow",
    ),
}


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(PolicyInvalid) as refused:
        parse_policy(text)
    return refused.value.problems


def test_a_policy_is_read_into_its_canonical_form() -> None:
    read = parse_policy(WHOLE, revision=3)
    assert policy_document(read) == DOCUMENT
    assert (read.revision, read.sha256) == (3, digest(DOCUMENT))
    first, _ = read.rules
    assert (first.effect, first.actions, first.keys) == (Effect.ALLOW, {Action.SIGN}, Patterns.of("firmware", "fw-*"))


def test_no_rules_are_a_policy_too() -> None:
    assert policy_document(parse_policy("version = 1")) == {"version": 1, "rules": []}


class TestTheDigest:
    """It tells two policies apart exactly where they say different things."""

    SAME = (
        rule(principals='["role:a", "role:b"]', keys='["x", "y"]'),
        "# written by another hand\n" + rule(keys='["y", "x"]', principals='["role:b", "role:a"]') + "\n\n",
    )

    def test_layout_and_order_decide_nothing(self) -> None:
        first, second = (policy(text) for text in self.SAME)
        assert first.sha256 == second.sha256
        assert first.rules == second.rules

    @pytest.mark.parametrize(
        "changed",
        [
            rule(name="other"),
            rule(effect="deny"),
            rule(keys='["fw*"]'),
            rule(actions='["sign-blind"]'),
            rule('checked = "head"'),
            rule(approvals='[{ group = "qa", count = 1 }]'),
            rule() + rule(name="second"),
        ],
    )
    def test_what_is_said_decides(self, changed: str) -> None:
        assert policy(changed).sha256 != policy(rule()).sha256

    def test_the_order_of_rules_decides(self) -> None:
        one, two = rule(name="one"), rule(name="two")
        assert policy(one + two).sha256 != policy(two + one).sha256

    def test_the_time_zone_decides(self) -> None:
        there = policy(rule(), head='version = 1\ntimezone = "Asia/Tokyo"')
        assert there.sha256 != policy(rule()).sha256
        assert rule_document(there.rules[0]) == rule_document(policy(rule()).rules[0])


@pytest.mark.parametrize("sentence", REFUSED)
def test_is_no_policy(sentence: str) -> None:
    text, problem = REFUSED[sentence]
    assert any(problem in told for told in problems(text))


@pytest.mark.parametrize("sentence", REFUSED_RULES)
def test_is_no_rule(sentence: str) -> None:
    text, problem = REFUSED_RULES[sentence]
    told = problems(f"version = 1\n{text}")
    assert any(problem in each for each in told), told
    assert all(each.startswith("rule ") and each.isprintable() for each in told)


def test_all_problems_are_told_at_once_and_not_without_end() -> None:
    told = problems("version = 1\n" + "".join(rule(name=f"r{number}", effect="x") for number in range(100)))
    assert len(told) == 50
    assert told[0].startswith("rule r0.effect: ")


PRINCIPALS = {
    "api-token:pipeline": True,
    "mtls:fleet:device 1": True,
    "mtls:fleet:a:b": True,
    "ci:github/456789": True,
    "ci:gitlab/12/34": True,
    "user:ada@example.com": True,
    "person:ada": True,
    "group:release": True,
    "role:signer": True,
    "": False,
    ":": False,
    "role": False,
    "role: a": False,
    "role:a ": False,
    "Role:a": False,
    "role:*": False,
    "user:ada": False,
    "ci:/1": False,
    "ci:github/": False,
    "mtls::x": False,
    "mtls:fleet:": False,
    "role:a\u200b": False,
    "role:" + "a" * 300: False,
}


@pytest.mark.parametrize("text", PRINCIPALS)
def test_a_principal_is_a_kind_and_a_name(text: str) -> None:
    assert is_principal(text) is PRINCIPALS[text]


def test_thousands_of_rules_are_read_in_seconds() -> None:
    text = "version = 1\n" + "".join(rule(name=f"r{number}") for number in range(2000))
    started = time.process_time()
    assert len(parse_policy(text).rules) == 2000
    assert time.process_time() - started < 10
