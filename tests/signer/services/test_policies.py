"""The policy in force: read at each question, parsed once, and never one that is not kept to."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from signer.domain.access.actions import Action
from signer.domain.access.presets import ROLES_TEXT
from signer.domain.access.reading import parse_policy
from signer.domain.identity import Identity, Role
from signer.errors import AccessDenied, KeyNotFound, PolicyInvalid
from signer.services.access import Access
from signer.services.access_ports import StoredPolicy
from signer.services.policies import Policies, RolesAlone
from tests.signer.domain.access.cases import BUILD, NOW, rule


class Source:
    """A policy that a test changes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.revision = 1

    def current(self) -> StoredPolicy:
        return StoredPolicy(
            revision=self.revision,
            text=self.text,
            sha256=hashlib.sha256(self.text.encode()).hexdigest(),
            applied_at=datetime.now(UTC),
            actor="test",
            reason="",
            break_glass=False,
        )

    def apply(self, text: str) -> None:
        self.text, self.revision = text, self.revision + 1


def text(*rules: str) -> str:
    return "version = 1\n" + "".join(rules)


@pytest.fixture
def source() -> Source:
    return Source(text(rule(actions='["sign", "manage"]')))


@pytest.fixture
def access(source: Source) -> Access:
    return Access(policies=Policies(store=source), clock=lambda: NOW)


def test_a_text_is_parsed_once(source: Source) -> None:
    policies = Policies(store=source)
    assert policies.present() is policies.present()
    source.apply(text())
    assert (policies.present().revision, policies.present().rules) == (2, ())


def test_the_next_question_is_answered_by_the_next_policy(source: Source, access: Access) -> None:
    access.require(BUILD, Action.MANAGE, "fw")
    source.apply(text())
    with pytest.raises(KeyNotFound):
        access.require(BUILD, Action.MANAGE, "fw")


class TestWhoIsRefused:
    """Told the rule and the condition where they may know of the key; else that there is none."""

    def test_by_a_rule(self, source: Source, access: Access) -> None:
        source.apply(text(rule(), rule('hours = ["mon 00:00-01:00"]', name="night", actions='["manage"]')))
        with pytest.raises(AccessDenied) as refused:
            access.require(BUILD, Action.MANAGE, "fw")
        assert (refused.value.rule, refused.value.condition) == ("night", "hours")

    @pytest.mark.parametrize("name", ["gw", "nothing", "FW", "fw\n", ""])
    @pytest.mark.parametrize("action", [Action.READ, Action.SIGN, Action.MANAGE, Action.APPROVE])
    def test_of_a_key_that_is_none_of_theirs(self, access: Access, name: str, action: Action) -> None:
        with pytest.raises(KeyNotFound) as refused:
            access.require(BUILD, action, name)
        assert refused.value.facts == {"key": name}

    @pytest.mark.parametrize("name", ["gw", "fw2"])
    def test_of_a_key_that_they_may_not_make(self, access: Access, name: str) -> None:
        access.require_new(BUILD, "fw")
        with pytest.raises(AccessDenied):
            access.require_new(BUILD, name)

    @pytest.mark.parametrize("action", [Action.READ_LOG, Action.ADMINISTER, Action.MANAGE_USERS, Action.MANAGE_DEVICES])
    def test_of_what_needs_no_key(self, access: Access, action: Action) -> None:
        with pytest.raises(AccessDenied):
            access.require(BUILD, action)

    def test_of_all_keys(self, access: Access) -> None:
        with pytest.raises(AccessDenied):
            access.readable(Identity(name="stranger"))
        assert access.readable(BUILD)("fw")


def test_what_cannot_be_read_allows_nothing(source: Source, access: Access) -> None:
    source.apply("no TOML")
    with pytest.raises(PolicyInvalid):
        access.require(BUILD, Action.SIGN, "fw")


def test_on_the_machine_itself_the_roles_are_rules_whatever_is_in_force() -> None:
    policies = Policies(store=RolesAlone())
    assert policies.present().rules == parse_policy(ROLES_TEXT).rules
    operator = Identity(name="artifact-signer log create", role=Role.ADMINISTRATOR)
    Access(policies=policies, clock=lambda: NOW).require_new(operator, "log")
