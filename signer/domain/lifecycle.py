"""The life of a key version as one table: what is absent is refused.

``create`` and ``adopt`` make the first version of a key, ``prepare`` makes the next one; they have no state to
start from and so no row. A rotation moves two versions: the next one becomes active, the active one previous.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from signer.domain.keys import VersionState as S
from signer.errors import StepNotAllowed


class Step(StrEnum):
    """A step in the life of a key version, by the name of its command and route."""

    COMPLETE = "complete"  # a pending pair is found in the token: the first half of a crash is repaired
    ABANDON = "abandon"  # a pending pair is not in the token
    ROTATE = "rotate"  # the next version becomes active
    SUPERSEDE = "supersede"  # what a rotation does to the version that was active
    RETIRE = "retire"
    DISABLE = "disable"
    ENABLE = "enable"
    QUARANTINE = "quarantine"
    DESTROY = "destroy"
    FINISH_DESTRUCTION = "finish-destruction"


# ENABLE leads back to the state before DISABLE or QUARANTINE where that is known; the rows name the usual one.
TRANSITIONS: Mapping[tuple[S, Step], S] = MappingProxyType(
    {
        (S.PENDING, Step.COMPLETE): S.NEXT,
        (S.PENDING, Step.ABANDON): S.DESTROYED,
        (S.NEXT, Step.ROTATE): S.ACTIVE,
        (S.NEXT, Step.RETIRE): S.RETIRED,
        (S.NEXT, Step.DISABLE): S.DISABLED,
        (S.NEXT, Step.QUARANTINE): S.QUARANTINED,
        (S.ACTIVE, Step.SUPERSEDE): S.PREVIOUS,
        (S.ACTIVE, Step.DISABLE): S.DISABLED,
        (S.ACTIVE, Step.QUARANTINE): S.QUARANTINED,
        (S.PREVIOUS, Step.RETIRE): S.RETIRED,
        (S.PREVIOUS, Step.DISABLE): S.DISABLED,
        (S.RETIRED, Step.DISABLE): S.DISABLED,
        (S.QUARANTINED, Step.ENABLE): S.ACTIVE,
        (S.QUARANTINED, Step.RETIRE): S.RETIRED,
        (S.QUARANTINED, Step.DISABLE): S.DISABLED,
        (S.DISABLED, Step.ENABLE): S.PREVIOUS,
        (S.DISABLED, Step.DESTROY): S.DESTROYING,
        (S.DESTROYING, Step.DESTROY): S.DESTROYING,
        (S.DESTROYING, Step.FINISH_DESTRUCTION): S.DESTROYED,
    }
)

# What a person may ask for; the other steps are parts of these or of reconciliation.
PUBLIC_STEPS = (Step.ROTATE, Step.RETIRE, Step.DISABLE, Step.ENABLE, Step.DESTROY)


def allowed_steps(state: S) -> tuple[Step, ...]:
    """The steps that a person may take from ``state``, in the order of the enumeration."""
    return tuple(step for step in PUBLIC_STEPS if (state, step) in TRANSITIONS)


def follow(state: S, step: Step, *, key: str, version: int) -> S:
    """The state after ``step``; raises ``StepNotAllowed`` with the state and the allowed steps."""
    target = TRANSITIONS.get((state, step))
    if target is None:
        raise StepNotAllowed(key=key, version=version, state=state.value, step=step.value, allowed=allowed_steps(state))
    return target
