"""The way out of a key that was outside: which step is next, by what is known of the versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from signer.domain.key_plan import PlanStep, Progress, VersionFacts, key_plan
from signer.domain.keys import Origin, Purpose, VersionState

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ACTIVE, NEXT, PREVIOUS, RETIRED = (
    VersionState.ACTIVE, VersionState.NEXT, VersionState.PREVIOUS, VersionState.RETIRED,
)  # fmt: skip
IMPORTED, GENERATED, PUBLIC, ADOPTED = Origin.IMPORTED, Origin.GENERATED, Origin.PUBLIC_KEY, Origin.ADOPTED
Version = tuple[VersionState, Origin, int | None]


def facts(*versions: Version) -> list[VersionFacts]:
    """Versions made a day apart; the last of each is the day on which it signed last."""
    return [
        VersionFacts(
            number=number,
            state=state,
            origin=origin,
            created_at=BEGAN + timedelta(days=number),
            last_signed_at=None if signed is None else BEGAN + timedelta(days=signed),
        )
        for number, (state, origin, signed) in enumerate(versions, 1)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``next``: the step; None where all is done. ``version``: whose it is."""

    versions: tuple[Version, ...]
    next: PlanStep | None
    version: int | None = None
    purpose: Purpose = Purpose.ARTIFACT


ROWS = {
    "an imported key signs alone": Row(versions=((ACTIVE, IMPORTED, 1),), next=PlanStep.PREPARE),
    "the next one is prepared and nothing was signed since": Row(
        versions=((ACTIVE, IMPORTED, 1), (NEXT, GENERATED, None)), next=PlanStep.SHIP, version=2
    ),
    "the next one is prepared and the old one never signed": Row(
        versions=((ACTIVE, IMPORTED, None), (NEXT, GENERATED, None)), next=PlanStep.SHIP, version=2
    ),
    "the old one signed since the next one exists": Row(
        versions=((ACTIVE, IMPORTED, 2), (NEXT, GENERATED, None)), next=PlanStep.ROTATE, version=2
    ),
    "it is rotated, and devices trust the old one": Row(
        versions=((PREVIOUS, IMPORTED, 2), (ACTIVE, GENERATED, 3)), next=PlanStep.RETIRE, version=1
    ),
    "the old one is retired": Row(versions=((RETIRED, IMPORTED, 2), (ACTIVE, GENERATED, 3)), next=None),
    "two were outside, and one of them is trusted on": Row(
        versions=((RETIRED, IMPORTED, 2), (PREVIOUS, PUBLIC, None), (ACTIVE, GENERATED, 3)),
        next=PlanStep.RETIRE,
        version=2,
    ),
    "an imported one waits as the next one": Row(
        versions=((ACTIVE, IMPORTED, 1), (NEXT, IMPORTED, None)), next=PlanStep.PREPARE
    ),
    "a public key alone": Row(versions=((PREVIOUS, PUBLIC, None),), next=PlanStep.PREPARE),
    "a public key alone, whose artifacts are signed elsewhere": Row(
        versions=((PREVIOUS, PUBLIC, None), (NEXT, GENERATED, None)), next=PlanStep.ROTATE, version=2
    ),
    "an adopted pair was in the token": Row(
        versions=((PREVIOUS, IMPORTED, 2), (ACTIVE, ADOPTED, 3)), next=PlanStep.RETIRE, version=1
    ),
    "keys of tokens are fetched, not shipped": Row(
        versions=((ACTIVE, IMPORTED, 1), (NEXT, GENERATED, None)),
        purpose=Purpose.DEVICE_TOKEN,
        next=PlanStep.ROTATE,
        version=2,
    ),
    "the version from the token is disabled again": Row(
        versions=((ACTIVE, IMPORTED, 2), (VersionState.DISABLED, GENERATED, None)), next=PlanStep.PREPARE
    ),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_the_next_step(sentence: str) -> None:
    row = ROWS[sentence]
    planned = key_plan(facts(*row.versions), row.purpose)
    assert planned is not None
    following = [step for step in planned.steps if step.progress is Progress.NEXT]
    assert [(step.step, step.version) for step in following] == ([] if row.next is None else [(row.next, row.version)])
    order = [Progress.DONE, Progress.NEXT, Progress.LATER]
    progress = [order.index(step.progress) for step in planned.steps]
    assert progress == sorted(progress)


@pytest.mark.parametrize("origin", [GENERATED, ADOPTED])
def test_a_key_that_was_never_outside_has_nothing_to_leave_behind(origin: Origin) -> None:
    assert key_plan(facts((ACTIVE, origin, 1)), Purpose.ARTIFACT) is None


def test_another_one_from_outside_that_waits_is_named() -> None:
    planned = key_plan(facts((ACTIVE, IMPORTED, 1), (NEXT, IMPORTED, None)), Purpose.ARTIFACT)
    assert planned is not None
    assert planned.waits is not None
    assert planned.waits.number == 2
