"""Who may do what: rules are data, each answers with a reason, and silence is no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from signer.domain.identity import Identity, Role
from signer.domain.keys import Key, Purpose


class Action(StrEnum):
    """What an identity may be allowed to do."""

    READ = "read"
    SIGN = "sign"
    ADMINISTER = "administer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """The request may go on; ``rule`` names what allowed it."""

    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The request ends here; ``reason`` is a sentence for the caller."""

    reason: str


ROLE_ACTIONS: Mapping[Role, frozenset[Action]] = MappingProxyType(
    {
        Role.ADMINISTRATOR: frozenset(Action),
        Role.SIGNER: frozenset({Action.READ, Action.SIGN}),
        Role.READER: frozenset({Action.READ}),
    }
)


def decide(identity: Identity, action: Action) -> Allow | Deny:
    """Whether the identity's role covers the action."""
    if action in ROLE_ACTIONS.get(identity.role, frozenset()):
        return Allow(rule=f"role {identity.role}")
    return Deny(reason=f"the role {identity.role} may not {action}")


def decide_artifact_signature(identity: Identity, key: Key) -> Allow | Deny:
    """Whether the identity may have an artifact signed by this key."""
    if key.purpose is not Purpose.ARTIFACT:
        return Deny(reason=f"key {key.name} is for {key.purpose}, only artifact keys sign artifacts")
    return decide(identity, Action.SIGN)
