"""Turns a policy's decision into going on or stopping."""

from __future__ import annotations

from signer.domain.access.actions import Action
from signer.domain.identity import Identity
from signer.domain.policy import Allow, Deny, decide_action
from signer.errors import AccessDenied


def enforce(identity: Identity, decision: Allow | Deny) -> Allow:
    """The allowance; raises ``AccessDenied`` with the reason of a denial."""
    if isinstance(decision, Deny):
        raise AccessDenied(identity=identity.name, reason=decision.reason)
    return decision


def require(identity: Identity, action: Action) -> Allow:
    """The identity's role covers ``action``, or ``AccessDenied``."""
    return enforce(identity, decide_action(identity, action))
