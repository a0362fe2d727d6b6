"""Turns decisions by the policy in force into going on or stopping.

A key that the identity may not know of is refused in the words in which one that does not exist is, before anybody
looks for it: the answer is the same, and it takes the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum

from signer.domain.access.actions import KEY_ACTIONS, Action
from signer.domain.access.deciding import decide, may_everywhere, may_somewhere, readable
from signer.domain.access.decisions import Allow, Decision, Deny, KeyFacts, NeedsApproval
from signer.domain.access.policy import Policy
from signer.domain.identity import Identity
from signer.errors import AccessDenied, ApprovalRequired, KeyNotFound, SignerError
from signer.services.policies import Policies


class Extent(Enum):
    """Of how many keys it is asked whether an action may be done with them."""

    ONE = "one"  # the key that is named; none for actions without one
    SOME = "some"  # at least one: which ones is looked at later
    ALL = "all"  # every one, those that are still to come too


class Access:
    """Decides for threads, by the policy as it is now. Raises what the database raises, too."""

    def __init__(self, *, policies: Policies, clock: Callable[[], datetime]) -> None:
        self._policies = policies
        self._clock = clock

    def require(self, identity: Identity, action: Action, key: str | None = None) -> Allow:
        """The rules allow the action, with this key; ``AccessDenied``, or ``KeyNotFound`` for a key not to know of."""
        return require(self._policies.present(), identity, action, key, at=self._clock())

    def require_new(self, identity: Identity, key: str) -> Allow:
        """The identity may make a key of this name; ``AccessDenied``, whether there is one or not."""
        policy, at = self._policies.present(), self._clock()
        decision = decide(policy, identity, Action.MANAGE, key=KeyFacts(name=key), request=None, at=at)
        return _allowed(identity, decision, key)

    def readable(self, identity: Identity) -> Callable[[str], bool]:
        """Which keys the identity may know of, by their names; ``AccessDenied`` where there can be none."""
        policy = self._policies.present()
        _allowed(identity, may_somewhere(policy, identity, Action.READ), None)
        return readable(policy, identity, at=self._clock())


def require(
    policy: Policy,
    identity: Identity,
    action: Action,
    key: str | None,
    *,
    at: datetime,
    extent: Extent = Extent.ONE,
) -> Allow:
    """The rules allow that; raises ``AccessDenied``, or ``KeyNotFound`` for a key that one may not know of."""
    if extent is Extent.SOME:
        return _allowed(identity, may_somewhere(policy, identity, action), None)
    if extent is Extent.ALL:
        return _allowed(identity, may_everywhere(policy, identity, action, at=at), None)
    facts = KeyFacts(name=key) if key is not None and action in KEY_ACTIONS else None
    decision = decide(policy, identity, action, key=facts, request=None, at=at)
    if isinstance(decision, Deny) and key is not None:
        raise refusal(policy, identity, key, decision, at=at)
    return _allowed(identity, decision, key)


def refusal(policy: Policy, identity: Identity, key: str, denied: Deny, *, at: datetime) -> SignerError:
    """A denial about a key, as the identity may hear it."""
    if not readable(policy, identity, at=at)(key):
        return KeyNotFound(key=key)
    return _denied(identity, denied)


def _allowed(identity: Identity, decision: Decision, key: str | None) -> Allow:
    match decision:
        case Allow():
            return decision
        case Deny():
            raise _denied(identity, decision)
        case NeedsApproval():
            raise ApprovalRequired(about=key or decision.rule)


def _denied(identity: Identity, denied: Deny) -> AccessDenied:
    return AccessDenied(identity=identity.name, reason=denied.reason, rule=denied.rule, condition=denied.condition)
