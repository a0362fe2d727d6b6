"""The roles as rules: what a service allows as long as nobody has written rules of their own."""

from __future__ import annotations

from signer.domain.access.actions import KEY_ACTIONS, Action
from signer.domain.access.patterns import ANYTHING, Pattern
from signer.domain.access.policy import Effect, Rule
from signer.domain.identity import Role

_EVERY_KEY = (Pattern(ANYTHING),)
_ACTIONS = {
    Role.ADMINISTRATOR: frozenset(Action),
    Role.SIGNER: frozenset({Action.READ, Action.SIGN}),
    Role.AUDITOR: frozenset({Action.READ, Action.READ_LOG}),
    Role.READER: frozenset({Action.READ}),
}


def role_rules() -> tuple[Rule, ...]:
    """One rule for each role, over all keys."""
    return tuple(
        Rule(
            name=f"role-{role.value}",
            effect=Effect.ALLOW,
            principals=(f"role:{role.value}",),
            actions=actions,
            keys=_EVERY_KEY if actions & KEY_ACTIONS else (),
        )
        for role, actions in _ACTIONS.items()
    )
