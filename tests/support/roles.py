"""What the roles may, as the first policy of every installation says it."""

from __future__ import annotations

from signer.domain.access.actions import Action
from signer.domain.access.presets import ROLES_TEXT
from signer.domain.access.reading import parse_policy
from signer.domain.identity import Role
from signer.services.access import Access
from signer.services.policies import Policies, RolesAlone

from .clock import START

ROLE_RULES = parse_policy(ROLES_TEXT, revision=1)
ROLE_ACTIONS: dict[Role, frozenset[Action]] = {
    Role(principal.removeprefix("role:")): rule.actions for rule in ROLE_RULES.rules for principal in rule.principals
}


def access_by_roles() -> Access:
    """Decides as an installation does for which nobody wrote rules."""
    return Access(policies=Policies(store=RolesAlone()), clock=lambda: START)
