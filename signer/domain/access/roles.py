"""The roles as rules: what a service allows as long as nobody has written rules of their own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.domain.access.actions import KEY_ACTIONS, Action
from signer.domain.access.patterns import ANYTHING, Patterns
from signer.domain.access.policy import NO_KEYS, Effect, Rule
from signer.domain.identity import Role

ROLE_ACTIONS: Mapping[Role, frozenset[Action]] = MappingProxyType(
    {
        Role.ADMINISTRATOR: frozenset(Action),
        Role.SIGNER: frozenset({Action.READ, Action.SIGN}),
        Role.AUDITOR: frozenset({Action.READ, Action.READ_LOG}),
        Role.READER: frozenset({Action.READ}),
    }
)


def role_rules() -> tuple[Rule, ...]:
    """One rule for each role, over all keys."""
    return tuple(
        Rule(
            name=f"role-{role.value}",
            effect=Effect.ALLOW,
            principals=(f"role:{role.value}",),
            actions=actions,
            keys=Patterns.of(ANYTHING) if actions & KEY_ACTIONS else NO_KEYS,
        )
        for role, actions in ROLE_ACTIONS.items()
    )
