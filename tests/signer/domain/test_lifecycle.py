"""The transition table, every cell of it: states by steps, what is not listed here is refused."""

from __future__ import annotations

import itertools

import pytest

from signer.domain.keys import VersionState as S
from signer.domain.lifecycle import TRANSITIONS, Step, allowed_steps, follow
from signer.errors import StepNotAllowed

ALLOWED = {
    "a pending pair is found in the token": (S.PENDING, Step.COMPLETE, S.NEXT),
    "a pending pair was never made": (S.PENDING, Step.ABANDON, S.DESTROYED),
    "the next version begins to sign": (S.NEXT, Step.ROTATE, S.ACTIVE),
    "the next version is given up": (S.NEXT, Step.RETIRE, S.RETIRED),
    "the next version is switched off": (S.NEXT, Step.DISABLE, S.DISABLED),
    "the next version is another key in the token": (S.NEXT, Step.QUARANTINE, S.QUARANTINED),
    "the signing version is superseded": (S.ACTIVE, Step.SUPERSEDE, S.PREVIOUS),
    "the signing version is switched off": (S.ACTIVE, Step.DISABLE, S.DISABLED),
    "the signing version is another key in the token": (S.ACTIVE, Step.QUARANTINE, S.QUARANTINED),
    "devices forget a previous version": (S.PREVIOUS, Step.RETIRE, S.RETIRED),
    "a previous version is switched off": (S.PREVIOUS, Step.DISABLE, S.DISABLED),
    "a retired version is switched off": (S.RETIRED, Step.DISABLE, S.DISABLED),
    "a quarantined version proved itself": (S.QUARANTINED, Step.ENABLE, S.ACTIVE),
    "a quarantined version is retired": (S.QUARANTINED, Step.RETIRE, S.RETIRED),
    "a quarantined version is switched off": (S.QUARANTINED, Step.DISABLE, S.DISABLED),
    "a disabled version comes back": (S.DISABLED, Step.ENABLE, S.PREVIOUS),
    "a disabled version is destroyed": (S.DISABLED, Step.DESTROY, S.DESTROYING),
    "a destruction is repeated": (S.DESTROYING, Step.DESTROY, S.DESTROYING),
    "a destruction ends": (S.DESTROYING, Step.FINISH_DESTRUCTION, S.DESTROYED),
}

# What a refusal offers instead.
OFFERED = {
    S.PENDING: (),
    S.NEXT: ("rotate", "retire", "disable"),
    S.ACTIVE: ("disable",),
    S.PREVIOUS: ("retire", "disable"),
    S.RETIRED: ("disable",),
    S.DISABLED: ("enable", "destroy"),
    S.QUARANTINED: ("retire", "disable", "enable"),
    S.DESTROYING: ("destroy",),
    S.DESTROYED: (),
}

TARGETS = {(state, step): target for state, step, target in ALLOWED.values()}
REFUSED = [cell for cell in itertools.product(S, Step) if cell not in TARGETS]


@pytest.mark.parametrize("sentence", ALLOWED)
def test_an_allowed_step_leads_to_its_state(sentence: str) -> None:
    state, step, target = ALLOWED[sentence]
    assert follow(state, step, key="firmware", version=3) is target


@pytest.mark.parametrize(("state", "step"), REFUSED, ids=[f"{state}-{step}" for state, step in REFUSED])
def test_every_other_step_is_refused_with_the_state_and_the_allowed_steps(state: S, step: Step) -> None:
    with pytest.raises(StepNotAllowed) as refusal:
        follow(state, step, key="firmware", version=3)
    assert refusal.value.facts == {
        "key": "firmware",
        "version": 3,
        "state": state.value,
        "step": step.value,
        "allowed": OFFERED[state],
    }


def test_each_cell_is_a_row_of_one_of_the_two_tables() -> None:
    assert len(TARGETS) == len(ALLOWED), "a cell is listed twice"
    assert len(TARGETS) + len(REFUSED) == len(S) * len(Step)
    assert set(TRANSITIONS) == set(TARGETS)


@pytest.mark.parametrize("state", S)
def test_a_state_offers_its_steps_in_a_fixed_order(state: S) -> None:
    assert allowed_steps(state) == OFFERED[state]


def test_nothing_leads_out_of_destroyed_and_nothing_back_into_pending() -> None:
    assert not [cell for cell in TRANSITIONS if cell[0] is S.DESTROYED]
    assert S.PENDING not in TRANSITIONS.values()


def test_a_version_that_may_sign_is_not_destroyed_in_one_step() -> None:
    assert {state for (state, step) in TRANSITIONS if step is Step.DESTROY} == {S.DISABLED, S.DESTROYING}


def test_the_table_cannot_be_changed_at_run_time() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        TRANSITIONS[(S.DESTROYED, Step.ENABLE)] = S.ACTIVE  # type: ignore[index]
