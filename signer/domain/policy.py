"""Who may do what: rules are data, each answers with a reason, and silence is no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import assert_never

from signer.domain.access.actions import Action
from signer.domain.identity import Identity, Role
from signer.domain.keys import Key
from signer.domain.messages import PURPOSES, ArtifactManifest
from signer.domain.requests import ArtifactSeen, HeadSeen, ManifestSeen, SigningRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """The request may go on; ``rule`` names what allowed it."""

    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The request ends here; ``reason`` is a sentence for the caller."""

    reason: str


ROLE_ACTIONS: Mapping[str, frozenset[Action]] = MappingProxyType(
    {
        Role.ADMINISTRATOR: frozenset({Action.READ, Action.SIGN, Action.READ_LOG, Action.ADMINISTER}),
        Role.SIGNER: frozenset({Action.READ, Action.SIGN}),
        Role.AUDITOR: frozenset({Action.READ, Action.READ_LOG}),
        Role.READER: frozenset({Action.READ}),
    }
)


def decide_action(identity: Identity, action: Action) -> Allow | Deny:
    """Whether the identity's role covers the action."""
    if action in ROLE_ACTIONS.get(identity.role or "", frozenset()):
        return Allow(rule=f"role {identity.role}")
    return Deny(reason=f"the role {identity.role} may not {action}")


def may_prove(identity: Identity) -> Allow | Deny:
    """Whether the identity may have the record of a signature that it names by key and manifest."""
    reading = decide_action(identity, Action.READ)
    return reading if isinstance(reading, Allow) else decide_action(identity, Action.SIGN)


def may_ask(identity: Identity, key: Key) -> Allow | Deny:
    """Whether the identity may ask for signatures of artifacts by this key at all: what is known before a body is read.

    An allowance lets the body be read, and nothing else.
    """
    if key.purpose not in PURPOSES[ArtifactManifest]:
        return Deny(reason=f"key {key.name} is for {key.purpose}, only artifact keys sign artifacts")
    return decide_action(identity, Action.SIGN)


def decide(identity: Identity, key: Key, request: SigningRequest) -> Allow | Deny:
    """Whether this key signs this for the identity: the one decision, with what was seen of the artifact."""
    match request:
        case ManifestSeen() | HeadSeen() | ArtifactSeen():
            return may_ask(identity, key)
        case _:
            assert_never(request)
