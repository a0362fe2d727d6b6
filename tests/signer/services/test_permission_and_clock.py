"""Who takes steps at all, and at what time; what is not there is not found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from signer.domain.identity import Identity, Role
from signer.domain.keys import Validity
from signer.domain.keys import VersionState as S
from signer.errors import (
    AccessDenied,
    ClockMovedBack,
    KeyNotFound,
    VersionNotFound,
)
from signer.services.key_pairs import KeyPairSelector
from signer.services.lifecycle import NewKeyRequest
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, KEY, House
from tests.support.memory_tokens import MemoryTokens
from tests.support.records import swap

from .steps import step, two_versions

Step = Callable[[House, Identity], object]
EVERY_STEP: dict[str, Step] = {
    "create": lambda house, who: house.lifecycle.create(
        who, NewKeyRequest(unverified_name="new", unverified_algorithm="ecdsa-p256")
    ),
    "adopt": lambda house, who: house.lifecycle.adopt(
        who,
        NewKeyRequest(unverified_name="new", unverified_algorithm="ecdsa-p256"),
        KeyPairSelector(label="firmware-v1"),
    ),
    "prepare": lambda house, who: house.lifecycle.prepare(who, KEY, validity=Validity()),
    "rotate": lambda house, who: house.lifecycle.rotate(who, KEY),
    "retire": lambda house, who: house.lifecycle.retire(who, KEY, 2),
    "disable": lambda house, who: house.lifecycle.disable(who, KEY, 1),
    "enable": lambda house, who: house.lifecycle.enable(who, KEY, 3),
    "destroy": lambda house, who: house.lifecycle.destroy(who, KEY, 3, confirmation=KEY),
}


def unchanged(house: House, tokens: MemoryTokens) -> tuple[object, ...]:
    return (house.store.all_keys(), house.events(), tokens.pairs())


@pytest.fixture
def lived_in(house: House) -> House:
    """A key with an active, a next and a disabled version."""
    two_versions(house)
    step(house, "disable", 2)
    key = house.prepare()
    house.store.change(key, [swap(key.version(3), S.DISABLED), swap(key.version(2), S.NEXT)], [])
    assert house.states() == [S.ACTIVE, S.NEXT, S.DISABLED]
    return house


@pytest.mark.parametrize("name", EVERY_STEP)
@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMINISTRATOR, Role.OPERATOR}))
def test_who_may_not_manage_a_key_takes_no_step(lived_in: House, tokens: MemoryTokens, name: str, role: Role) -> None:
    before = unchanged(lived_in, tokens)
    with pytest.raises(AccessDenied) as refusal:
        EVERY_STEP[name](lived_in, Identity(name="api-token:somebody", role=role))
    assert refusal.value.identity == "api-token:somebody"
    assert refusal.value.reason.startswith("no rule lets api-token:somebody manage with the key ")
    assert unchanged(lived_in, tokens) == before


@pytest.mark.parametrize("name", EVERY_STEP)
def test_who_may_not_know_of_a_key_takes_no_step_either(lived_in: House, tokens: MemoryTokens, name: str) -> None:
    before = unchanged(lived_in, tokens)
    # Who makes keys says their names: that they may not is all that is to be told.
    expected = AccessDenied if name in ("create", "adopt") else KeyNotFound
    with pytest.raises(expected):
        EVERY_STEP[name](lived_in, Identity(name="api-token:stranger"))
    assert unchanged(lived_in, tokens) == before


@pytest.mark.parametrize("name", sorted(EVERY_STEP.keys() - {"disable"}))
def test_no_step_is_taken_after_the_clock_moved_back(
    lived_in: House, tokens: MemoryTokens, clock: ManualClock, name: str
) -> None:
    before, newest = unchanged(lived_in, tokens), clock.now
    clock.advance(seconds=-6)
    with pytest.raises(ClockMovedBack) as refusal:
        EVERY_STEP[name](lived_in, ADMIN)
    assert refusal.value.facts == {"now": newest - timedelta(seconds=6), "newest": newest}
    assert unchanged(lived_in, tokens) == before


def test_a_version_is_disabled_whatever_the_clock_says(lived_in: House, clock: ManualClock) -> None:
    clock.advance(seconds=-3600)
    EVERY_STEP["disable"](lived_in, ADMIN)
    assert lived_in.states() == [S.DISABLED, S.NEXT, S.DISABLED]


@pytest.mark.parametrize("name", sorted(EVERY_STEP.keys() - {"adopt", "prepare"}))
def test_a_small_step_back_of_the_clock_is_tolerated(lived_in: House, clock: ManualClock, name: str) -> None:
    clock.advance(seconds=-5)
    before = lived_in.last_event
    EVERY_STEP[name](lived_in, ADMIN)
    assert lived_in.events(after=before)


NOWHERE = {"retire", "disable", "enable", "destroy"}


@pytest.mark.parametrize("name", sorted(NOWHERE))
def test_a_version_that_is_not_there(house: House, name: str) -> None:
    house.create()
    with pytest.raises(VersionNotFound):
        step(house, name, 9)


@pytest.mark.parametrize("name", sorted(NOWHERE | {"rotate"}))
def test_a_key_that_is_not_there(house: House, name: str) -> None:
    with pytest.raises(KeyNotFound):
        step(house, name)
