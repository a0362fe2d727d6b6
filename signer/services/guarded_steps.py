"""Steps in the life of a key that give it something: of one that is guarded by approvals people approve them first.

What takes away (a version is disabled, retired, destroyed) needs nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from signer.domain.identity import Identity
from signer.domain.keys import Key, Origin, Purpose
from signer.domain.timestamps import rfc3339
from signer.services.approval_ports import Permit
from signer.services.change_guard import ChangeGuard
from signer.services.guarded import stepped
from signer.services.ports import NewVersion


class Guarded(StrEnum):
    """The steps."""

    CREATE = "create"
    PREPARE = "prepare"
    ROTATE = "rotate"
    ENABLE = "enable"
    BLIND_SIGN = "blind-sign"


class GuardedSteps:
    """Takes them, when that is permitted."""

    def __init__(self, guard: ChangeGuard) -> None:
        self._guard = guard

    def permitted(
        self,
        identity: Identity,
        key: tuple[str, Purpose],
        step: Guarded,
        facts: Mapping[str, object],
        act: Callable[[Permit | None], Key],
    ) -> Key:
        """What ``act`` does; raises what ``ApprovalDesk.given`` raises. ``facts``: what approvals are bound to."""
        name, purpose = key
        if purpose is not Purpose.ARTIFACT:
            # No rule lets anybody sign with another one, so that none guards it.
            return act(None)
        return self._guard.carry_out(
            identity.name, lambda policy, _: stepped(policy, name, step.value, dict(facts)), act
        )


def told(version: NewVersion, *, moving: bool = False) -> dict[str, object]:
    """What approvals of a new version are bound to. Which pair will be generated nobody knows yet.

    ``moving``: somebody said in which tokens it is to live, and those who approve it approve of these.
    """
    validity = version.validity
    return {
        **({"tokens": list(version.home or ())} if moving else {}),
        "origin": version.origin.value,
        "cka_id": version.cka_id.hex() if version.origin is Origin.ADOPTED else None,
        "not_before": rfc3339(validity.not_before),
        "not_after": rfc3339(validity.not_after),
        "signature_limit": validity.signature_limit,
    }
