"""The decision about a digest that came alone, or that names a head which was shown before.

1. Whoever asks needs ``sign-blind``, by all that its rules ask for. ``checked`` in one demands that the head was shown.
2. With a key about which some rule looks at what is signed, a digest alone is denied, whatever other rules allow.
3. What a head shows is decided as ``sign`` too, as if it came itself: no rule about ``sign`` is passed by a digest.
   Whatever both decisions ask for is asked for.
"""

from __future__ import annotations

from datetime import datetime

from signer.domain.access.actions import Action
from signer.domain.access.canonical import digest
from signer.domain.access.deciding import decide
from signer.domain.access.decisions import Allow, Decision, Deny, FloorDemand, KeyFacts, NeedsApproval
from signer.domain.access.policy import Policy
from signer.domain.approvals import strongest
from signer.domain.identity import Identity
from signer.domain.requests import AnyRequest, DigestSeen

_Allowing = Allow | NeedsApproval


def decide_blind(policy: Policy, identity: Identity, *, key: KeyFacts, request: AnyRequest, at: datetime) -> Decision:
    """Whether the identity may have a digest signed, of which ``request`` is what was seen."""
    blind = decide(policy, identity, Action.SIGN_BLIND, key=key, request=request, at=at)
    if isinstance(blind, Deny):
        return blind
    if isinstance(request, DigestSeen):
        if policy.looks(key.name):
            reason = f"rules about the key {key.name} look at what is signed, and nothing of it was shown before"
            return Deny(reason=reason, rule=blind.rule, condition="checked")
        return blind
    shown = decide(policy, identity, Action.SIGN, key=key, request=request, at=at)
    return shown if isinstance(shown, Deny) else _both(blind, shown)


def _both(blind: _Allowing, shown: _Allowing) -> Decision:
    if blind.rule == shown.rule:
        return shown
    floors = _floors(blind, shown)
    if floors is None:
        reason = f"the rules {blind.rule} and {shown.rule} ask for different versions of one artifact"
        return Deny(reason=reason, rule=shown.rule, condition="version")
    limits = tuple(dict.fromkeys((*shown.limits, *blind.limits)))
    needed = [each for each in (shown, blind) if isinstance(each, NeedsApproval)]
    if not needed:
        return Allow(rule=shown.rule, floors=floors, limits=limits)
    asking = [each.rule_sha256 for each in needed]
    return NeedsApproval(
        rule=needed[0].rule,
        rule_sha256=asking[0] if len(asking) == 1 else digest({"rules": asking}),
        demands=strongest(demand for each in needed for demand in each.demands),
        floors=floors,
        limits=limits,
    )


def _floors(blind: _Allowing, shown: _Allowing) -> tuple[FloorDemand, ...] | None:
    """What either demands; None where they demand different things."""
    if blind.floors and shown.floors and blind.floors != shown.floors:
        return None
    return shown.floors or blind.floors
