"""Who may do what, as a table; what the table lacks is denied with a reason."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from signer.domain.access.actions import Action
from signer.domain.identity import Identity, Role
from signer.domain.keys import Purpose, VersionState
from signer.domain.policy import Allow, Deny, decide, decide_action, may_ask, may_prove
from signer.domain.requests import ManifestSeen
from tests.support.house import MANIFEST

from .test_keys import key

MAY = {
    (Role.ADMINISTRATOR, Action.READ),
    (Role.ADMINISTRATOR, Action.SIGN),
    (Role.ADMINISTRATOR, Action.READ_LOG),
    (Role.ADMINISTRATOR, Action.ADMINISTER),
    (Role.SIGNER, Action.READ),
    (Role.SIGNER, Action.SIGN),
    (Role.AUDITOR, Action.READ),
    (Role.AUDITOR, Action.READ_LOG),
    (Role.READER, Action.READ),
}


def identity(role: Role) -> Identity:
    return Identity(name=f"api-token:{role}", role=role)


@pytest.mark.parametrize(("role", "action"), [*itertools.product(Role, Action)])
def test_a_role_covers_its_actions_and_no_others(role: Role, action: Action) -> None:
    decision = decide_action(identity(role), action)
    if (role, action) in MAY:
        assert decision == Allow(rule=f"role {role}")
    else:
        assert decision == Deny(reason=f"the role {role} may not {action}")


@pytest.mark.parametrize("action", Action)
def test_a_role_that_no_rule_knows_may_nothing(action: Action) -> None:
    stranger = Identity(name="stranger", role="owner")  # type: ignore[arg-type]
    assert isinstance(decide_action(stranger, action), Deny)


@pytest.mark.parametrize("role", Role)
def test_who_may_read_or_sign_may_have_the_record_of_a_signature(role: Role) -> None:
    assert isinstance(may_prove(identity(role)), Allow)


def test_who_may_neither_may_not() -> None:
    assert isinstance(may_prove(Identity(name="stranger", role="owner")), Deny)  # type: ignore[arg-type]


@pytest.mark.parametrize(("role", "purpose"), [*itertools.product(Role, Purpose)])
def test_only_artifact_keys_sign_artifacts(role: Role, purpose: Purpose) -> None:
    asked = replace(key(VersionState.ACTIVE), purpose=purpose)
    decision = may_ask(identity(role), asked)
    assert decide(identity(role), asked, ManifestSeen(manifest=MANIFEST)) == decision
    if purpose is not Purpose.ARTIFACT:
        assert decision == Deny(reason=f"key firmware is for {purpose}, only artifact keys sign artifacts")
    elif (role, Action.SIGN) in MAY:
        assert decision == Allow(rule=f"role {role}")
    else:
        assert decision == Deny(reason=f"the role {role} may not sign")
