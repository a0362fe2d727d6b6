"""The way out of a key that was once in a file: which steps are behind it, and which comes next.

1. A version that was *outside* was imported, or is a public key alone. One that was never outside was born in a token.
2. Devices believe only what they know a key for. So the version from the token is prepared, shipped in an artifact that
   the old one signs, and rotated to; then the old one is retired.
3. What devices have nobody tells the service. It knows that nothing can have been shipped where nothing was signed
   since the new version exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from signer.domain.keys import TRUSTED_STATES, Origin, Purpose, VersionState

OUTSIDE = frozenset({Origin.IMPORTED, Origin.PUBLIC_KEY})


class PlanStep(StrEnum):
    """The steps, in order."""

    IMPORT = "import"
    PREPARE = "prepare"
    SHIP = "ship"
    ROTATE = "rotate"
    RETIRE = "retire"


class Progress(StrEnum):
    """Where a step is."""

    DONE = "done"
    NEXT = "next"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """What is known of a version. ``created_at``, ``last_signed_at``: aware UTC."""

    number: int
    state: VersionState
    origin: Origin
    created_at: datetime
    last_signed_at: datetime | None

    @property
    def outside(self) -> bool:
        """Whether its private half was, or is, outside of the tokens."""
        return self.origin in OUTSIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step. ``version``: whose it is; None where that version does not exist yet."""

    step: PlanStep
    progress: Progress
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlan:
    """The whole way. ``waits``: another version that was outside stands where the new one has to be prepared."""

    outside: VersionFacts
    inside: VersionFacts | None
    waits: VersionFacts | None
    steps: tuple[PlannedStep, ...]


def key_plan(versions: Sequence[VersionFacts], purpose: Purpose) -> KeyPlan | None:
    """The plan for a key of these versions, oldest first; None where no version was ever outside."""
    outside = [version for version in versions if version.outside]
    if not outside:
        return None
    trusted = [version for version in outside if version.state in TRUSTED_STATES]
    old = next((version for version in trusted if version.state is VersionState.ACTIVE), (trusted or outside[-1:])[0])
    inside = _inside(versions)
    waits = next((version for version in trusted if version.state is VersionState.NEXT), None)
    rotated = inside is not None and inside.state is VersionState.ACTIVE
    done = {
        PlanStep.IMPORT: True,
        PlanStep.PREPARE: inside is not None,
        PlanStep.SHIP: rotated or (inside is not None and _signed_since(old, inside)),
        PlanStep.ROTATE: rotated,
        PlanStep.RETIRE: rotated and not trusted,
    }
    if purpose is not Purpose.ARTIFACT:
        del done[PlanStep.SHIP]  # whoever verifies tokens fetches the keys from the service
    return KeyPlan(outside=old, inside=inside, waits=waits, steps=_steps(done, old, inside))


def _inside(versions: Sequence[VersionFacts]) -> VersionFacts | None:
    born = [version for version in versions if not version.outside]
    for state in (VersionState.ACTIVE, VersionState.NEXT):
        for version in born:
            if version.state is state:
                return version
    return None


def _signed_since(old: VersionFacts, inside: VersionFacts) -> bool:
    """Of a public key alone nobody here knows what its private half signed: then a person has to."""
    if old.origin is Origin.PUBLIC_KEY:
        return True
    return old.last_signed_at is not None and old.last_signed_at >= inside.created_at


def _steps(done: dict[PlanStep, bool], old: VersionFacts, inside: VersionFacts | None) -> tuple[PlannedStep, ...]:
    found: list[PlannedStep] = []
    pending = False
    for step, is_done in done.items():
        progress = Progress.LATER if pending else Progress.DONE if is_done else Progress.NEXT
        pending = pending or not is_done
        mine = old if step in (PlanStep.IMPORT, PlanStep.RETIRE) else inside
        found.append(PlannedStep(step=step, progress=progress, version=None if mine is None else mine.number))
    return tuple(found)
