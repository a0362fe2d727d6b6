"""Conditions on what is signed: what they let through, and what they do not, by their member."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from signer.domain.access.decisions import Allow, Deny, FloorDemand, NeedsApproval
from signer.domain.access.versions import Order
from signer.domain.requests import SigningRequest
from verifier import FindingCode

from .cases import NOW, artifact_seen, decided, head_seen, manifest_seen, policy, rule

HEAD = 'checked = "head", '
ARTIFACT = 'checked = "artifact", '

MET = {
    "a head where a head is demanded": ('checked = "head"', head_seen()),
    "more than is demanded": ('checked = "manifest"', artifact_seen()),
    "a name": (HEAD + 'artifact_name = ["release-*"]', head_seen(artifact_name="release-7")),
    "one of several names": (HEAD + 'artifact_name = ["a", "release-1"]', head_seen()),
    "a group": (HEAD + 'artifact_group = ["beta"]', head_seen(artifact_group="beta")),
    "each of the devices": (HEAD + 'device_types = ["bb-*", "pi4"]', head_seen(device_types=("bb-1", "pi4"))),
    "a payload type": (HEAD + 'payload_types = ["rootfs-image"]', head_seen()),
    "a module": (HEAD + 'payload_types = ["deb", "dir*"]', head_seen(payload_types=("directory",))),
    "files, by the manifest alone": ('checked = "manifest", files = ["*.ext4"]', manifest_seen("a.ext4", "b.ext4")),
    "no scripts": (HEAD + "scripts = false", head_seen()),
    "known scripts": (HEAD + 'scripts = ["ArtifactInstall_*"]', head_seen(scripts=("ArtifactInstall_Enter_01",))),
    "an attribute that it provides": (
        HEAD + 'provides = { "rootfs-image.version" = ["1.*"] }',
        head_seen(provides={"rootfs-image.version": "1.2", "other": "x"}),
    ),
    "an attribute that it depends on": (
        HEAD + 'depends = { "rootfs-image.checksum" = ["abc"] }',
        head_seen(depends={"rootfs-image.checksum": "abc"}),
    ),
    "the artifacts that it installs over": (
        HEAD + 'depends = { artifact_name = ["release-*"] }',
        head_seen(depends_artifact_names=("release-1", "release-2")),
    ),
    "the groups that it installs over": (
        HEAD + 'depends = { artifact_group = ["beta"] }',
        head_seen(depends_artifact_groups=("beta",)),
    ),
    "a size at the bound": (ARTIFACT + "size = 1000", artifact_seen(size=1000)),
    "no finding that is named": (
        HEAD + 'findings = ["field-ignored"]',
        head_seen(findings=frozenset({FindingCode.TYPE_INFO_EMPTY})),
    ),
    "no finding in the whole of it": (ARTIFACT + 'findings = ["payload-mode"]', artifact_seen()),
    "the hour, in UTC": ('hours = ["sun 14:00-15:00"]', manifest_seen()),
    "one of the hours": ('hours = ["mon-fri 08:00-18:00", "sun 00:00-24:00"]', manifest_seen()),
    "one of two tables": (
        HEAD + 'any = [{ artifact_name = ["hotfix-*"] }, { device_types = ["beaglebone"] }]',
        head_seen(),
    ),
    "a table that demands to see more itself": (
        'any = [{ checked = "artifact", size = 5 }, { checked = "head", scripts = false }]',
        head_seen(),
    ),
    "both tables": (HEAD + 'all = [{ artifact_name = ["*-1"] }, { artifact_name = ["release-*"] }]', head_seen()),
    "not the other": (HEAD + 'not = { device_types = ["prod-*"] }', head_seen()),
    "not nothing but a manifest": ('not = { checked = "head" }', manifest_seen()),
    "not not": (HEAD + "not = { not = { scripts = false } }", head_seen()),
}

# The last: the condition that the refusal names.
UNMET: dict[str, tuple[str, SigningRequest, str]] = {
    "a manifest where a head is demanded": ('checked = "head"', manifest_seen(), "checked"),
    "a head where all of it is demanded": ('checked = "artifact"', head_seen(), "checked"),
    "another name": (HEAD + 'artifact_name = ["release-*"]', head_seen(artifact_name="debug-7"), "artifact_name"),
    "a name that goes on": (
        HEAD + 'artifact_name = ["release-1"]',
        head_seen(artifact_name="release-12"),
        "artifact_name",
    ),
    "a name in which the pattern is": (
        HEAD + 'artifact_name = ["release-1"]',
        head_seen(artifact_name="x-release-1"),
        "artifact_name",
    ),
    "a name of another case": (
        HEAD + 'artifact_name = ["release-1"]',
        head_seen(artifact_name="Release-1"),
        "artifact_name",
    ),
    "a name with a letter that looks alike": (
        HEAD + 'artifact_name = ["release-*"]',
        head_seen(artifact_name="r\u0435lease-1"),
        "artifact_name",
    ),
    "a name of a further segment": (
        HEAD + 'artifact_name = ["release-*"]',
        head_seen(artifact_name="release-1/evil"),
        "artifact_name",
    ),
    "a name, by a manifest": (HEAD + 'artifact_name = ["release-*"]', manifest_seen(), "checked"),
    "no group": (HEAD + 'artifact_group = ["beta"]', head_seen(), "artifact_group"),
    "no group, though any will do": (HEAD + 'artifact_group = ["**"]', head_seen(), "artifact_group"),
    "another group": (HEAD + 'artifact_group = ["beta"]', head_seen(artifact_group="prod"), "artifact_group"),
    "one device too many": (HEAD + 'device_types = ["bb-*"]', head_seen(device_types=("bb-1", "prod")), "device_types"),
    "one device too many, before": (
        HEAD + 'device_types = ["bb-*"]',
        head_seen(device_types=("prod", "bb-1")),
        "device_types",
    ),
    "more devices than are looked at": (
        HEAD + 'device_types = ["**"]',
        head_seen(device_types=tuple(map(str, range(1001)))),
        "device_types",
    ),
    "another payload type": (
        HEAD + 'payload_types = ["rootfs-image"]',
        head_seen(payload_types=("script",)),
        "payload_types",
    ),
    "no payload": (HEAD + 'payload_types = ["**"]', head_seen(payload_types=(None,)), "payload_types"),
    "another file": ('checked = "manifest", files = ["*.ext4"]', manifest_seen("a.ext4", "run.sh"), "files"),
    "a script": (HEAD + "scripts = false", head_seen(scripts=("ArtifactInstall_Enter_01",)), "scripts"),
    "another script": (
        HEAD + 'scripts = ["ArtifactInstall_*"]',
        head_seen(scripts=("ArtifactReboot_Enter_01",)),
        "scripts",
    ),
    "an attribute that is missing": (HEAD + "provides = { v = ['**'] }", head_seen(), "provides.v"),
    "an attribute of another value": (
        HEAD + 'provides = { v = ["1.*"] }',
        head_seen(provides={"v": "2.1"}),
        "provides.v",
    ),
    "an attribute with a newline": (
        HEAD + 'provides = { v = ["1*"] }',
        head_seen(provides={"v": "1\n2"}),
        "provides.v",
    ),
    "what is provided is not depended on": (
        HEAD + 'depends = { v = ["1"] }',
        head_seen(provides={"v": "1"}),
        "depends.v",
    ),
    "it installs over anything": (HEAD + 'depends = { artifact_name = ["**"] }', head_seen(), "depends.artifact_name"),
    "it installs over another one too": (
        HEAD + 'depends = { artifact_name = ["release-*"] }',
        head_seen(depends_artifact_names=("release-1", "debug")),
        "depends.artifact_name",
    ),
    "it depends on another group": (
        HEAD + 'depends = { artifact_group = ["beta"] }',
        head_seen(depends_artifact_groups=("x",)),
        "depends.artifact_group",
    ),
    "a byte too much": (ARTIFACT + "size = 1000", artifact_seen(size=1001), "size"),
    "a finding that is named": (
        HEAD + 'findings = ["field-ignored"]',
        head_seen(findings=frozenset({FindingCode.FIELD_IGNORED})),
        "findings",
    ),
    "a finding in the whole of it": (
        ARTIFACT + 'findings = ["payload-mode"]',
        artifact_seen(findings=frozenset({FindingCode.PAYLOAD_MODE})),
        "findings",
    ),
    "a head, where findings are in the whole of it": (ARTIFACT + 'findings = ["payload-mode"]', head_seen(), "checked"),
    "a minute before": ('hours = ["sun 14:01-15:00"]', manifest_seen(), "hours"),
    "the minute at which it ends": ('hours = ["sun 13:00-14:00"]', manifest_seen(), "hours"),
    "another day": ('hours = ["mon-sat 00:00-24:00"]', manifest_seen(), "hours"),
    "neither of two tables": (
        HEAD + 'any = [{ artifact_name = ["hotfix-*"] }, { device_types = ["pi"] }]',
        head_seen(),
        "any",
    ),
    "one of both tables": (
        HEAD + 'all = [{ artifact_name = ["*-1"] }, { artifact_name = ["x-*"] }]',
        head_seen(),
        "all.artifact_name",
    ),
    "what must not be": (HEAD + 'not = { device_types = ["beagle*"] }', head_seen(), "not"),
    "what must not be, hidden": (HEAD + 'not = { device_types = ["beagle*"] }', manifest_seen(), "checked"),
    "not not, twice": (HEAD + "not = { not = { scripts = false } }", head_seen(scripts=("x",)), "not"),
    "two members, one of which fails": (
        HEAD + 'artifact_name = ["release-*"], scripts = false',
        head_seen(scripts=("x",)),
        "scripts",
    ),
    "the hour, though the name is right": (
        HEAD + 'artifact_name = ["release-*"], hours = ["mon 00:00-01:00"]',
        head_seen(),
        "hours",
    ),
}


@pytest.mark.parametrize("sentence", MET)
def test_is_met_by(sentence: str) -> None:
    when, request = MET[sentence]
    assert decided(policy(rule(when)), request) == Allow(rule="fw-build")


@pytest.mark.parametrize("sentence", UNMET)
def test_is_not_met_by(sentence: str) -> None:
    when, request, condition = UNMET[sentence]
    decision = decided(policy(rule(when)), request)
    assert isinstance(decision, Deny)
    assert (decision.rule, decision.condition) == ("fw-build", condition)
    assert f"fw-build does not allow it: {condition}: " in decision.reason


@pytest.mark.parametrize("sentence", MET)
def test_what_is_met_denies_where_the_rule_denies(sentence: str) -> None:
    when, request = MET[sentence]
    rules = policy(rule(name="any") + rule(when, name="not", effect="deny"))
    decision = decided(rules, request)
    assert isinstance(decision, Deny)
    assert decision.rule == "not"


@pytest.mark.parametrize("sentence", UNMET)
def test_what_is_not_met_denies_only_where_too_little_was_shown(sentence: str) -> None:
    when, request, condition = UNMET[sentence]
    rules = policy(rule(name="any") + rule(when, name="not", effect="deny"))
    decision = decided(rules, request)
    if condition == "checked" and when not in ('checked = "head"', 'checked = "artifact"'):
        assert isinstance(decision, Deny)
        assert decision.rule == "not"
    else:
        assert decision == Allow(rule="any")


class TestHours:
    """By the clock of the policy's time zone."""

    @pytest.mark.parametrize(
        ("zone", "at", "holds"),
        [
            ("UTC", datetime(2026, 11, 30, 8, 0, tzinfo=UTC), True),
            ("Europe/Berlin", datetime(2026, 11, 30, 7, 0, tzinfo=UTC), True),
            ("Europe/Berlin", datetime(2026, 11, 30, 6, 59, tzinfo=UTC), False),
            ("Europe/Berlin", datetime(2026, 7, 6, 6, 0, tzinfo=UTC), True),
            ("America/New_York", datetime(2026, 11, 30, 8, 0, tzinfo=UTC), False),
            ("Pacific/Auckland", datetime(2026, 11, 29, 19, 0, tzinfo=UTC), True),
        ],
    )
    def test_are_those_of_a_place(self, zone: str, at: datetime, holds: bool) -> None:
        rules = policy(rule('hours = ["mon 08:00-09:00"]'), head=f'version = 1\ntimezone = "{zone}"')
        assert isinstance(decided(rules, manifest_seen(), at=at), Allow) is holds


class TestVersion:
    """Anti-rollback: what the record is asked to compare, and what has no version at all."""

    NAME = HEAD + 'version = { from = "artifact_name", prefix = "release-", order = "numeric", max_step = 5 }'
    ATTRIBUTE = HEAD + 'version = { from = "provides:rootfs-image.version", order = "semver" }'

    def test_a_floor_is_demanded_for_each_device_type(self) -> None:
        decision = decided(policy(rule(self.NAME)), head_seen(device_types=("a", "b", "a"), artifact_name="release-7"))
        floors = tuple(
            FloorDemand(device_type=device, payload_type="rootfs-image", order=Order.NUMERIC, version="7", max_step=5)
            for device in ("a", "b")
        )
        assert decision == Allow(rule="fw-build", floors=floors)

    def test_a_version_may_stand_in_an_attribute(self) -> None:
        request = head_seen(provides={"rootfs-image.version": "1.2.3"}, payload_types=(None,))
        decision = decided(policy(rule(self.ATTRIBUTE)), request)
        assert isinstance(decision, Allow)
        (floor,) = decision.floors
        assert (floor.version, floor.payload_type, floor.max_step) == ("1.2.3", "", None)

    @pytest.mark.parametrize(
        ("when", "request_"),
        [
            (NAME, head_seen(artifact_name="debug-7")),
            (NAME, head_seen(artifact_name="release-")),
            (NAME, head_seen(artifact_name="release-7a")),
            (NAME, head_seen(artifact_name="release--7")),
            (NAME, head_seen(artifact_name="release-\u0667")),
            (NAME, head_seen(artifact_name="release-7", device_types=tuple(map(str, range(65))))),
            (ATTRIBUTE, head_seen()),
            (ATTRIBUTE, head_seen(provides={"rootfs-image.version": "1.2"})),
            (ATTRIBUTE, head_seen(depends={"rootfs-image.version": "1.2.3"})),
        ],
    )
    def test_what_has_none_is_denied(self, when: str, request_: SigningRequest) -> None:
        decision = decided(policy(rule(when)), request_)
        assert isinstance(decision, Deny)
        assert decision.condition == "version"

    def test_a_manifest_shows_none(self) -> None:
        decision = decided(policy(rule(self.NAME)), manifest_seen())
        assert isinstance(decision, Deny)
        assert decision.condition == "checked"


class TestWhatIsTold:
    """A refusal tells what an artifact says, bounded and printable."""

    @pytest.mark.parametrize("value", ["x" * 5000, "\u202e\n\x1b[31m", "\ud800"])
    def test_of_an_artifact(self, value: str) -> None:
        decision = decided(policy(rule(HEAD + 'provides = { v = ["1"] }')), head_seen(provides={"v": value}))
        assert isinstance(decision, Deny)
        assert decision.reason.isprintable()
        assert len(decision.reason) < 800

    def test_of_many_tables(self) -> None:
        tables = ", ".join(f'{{ artifact_name = ["a{number}"] }}' for number in range(16))
        decision = decided(policy(rule(f"{HEAD}any = [{tables}]")), head_seen(artifact_name="n" * 200))
        assert isinstance(decision, Deny)
        assert len(decision.reason) < 800


def test_a_rule_with_approvals_needs_them() -> None:
    rules = policy(rule('checked = "head"', approvals='[{ group = "qa", count = 2 }]'))
    decision = decided(rules, head_seen())
    assert isinstance(decision, NeedsApproval)
    assert [(demand.group, demand.count) for demand in decision.demands] == [("qa", 2)]
    assert len(decision.rule_sha256) == 64
    assert NOW.weekday() == 6
