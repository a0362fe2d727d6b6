"""The steps of a version's life: what they need, what they leave, what they refuse."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from hsm.errors import (
    DeadlineExceeded,
    KeyMismatch,
    PinRejected,
    TokenBusy,
    TokenError,
    TokenUnavailable,
)
from hsm.errors import KeyNotFound as KeyNotInToken
from signer.domain.events import EventType as E
from signer.domain.keys import VersionState as S
from signer.errors import (
    CreationUnfinished,
    NoNextVersion,
    NotInEveryToken,
    StepNotAllowed,
)
from tests.support.house import ADMIN, KEY, House
from tests.support.memory_tokens import MemoryTokens

from .steps import step, two_versions

UNREACHABLE: dict[str, TokenError] = {
    "it is gone": TokenUnavailable(token="two"),
    "it is busy": TokenBusy(token="two"),
    "it hangs": DeadlineExceeded(token="two"),
    "it refuses the PIN": PinRejected(token="two"),
}


class TestRotate:
    def test_the_next_version_signs_and_the_old_one_verifies(self, house: House) -> None:
        two_versions(house)
        before = house.last_event
        key = house.rotate()
        assert house.states() == [S.PREVIOUS, S.ACTIVE]
        assert [version.number for version in key.trusted] == [1, 2]
        (rotated,) = (item.event for item in house.events(after=before))
        assert (rotated.type, rotated.actor, rotated.version) == (E.KEY_ROTATED, ADMIN.name, 2)
        assert (rotated.before, rotated.after) == ({"active": 1}, {"active": 2})

    def test_again_and_again(self, house: House) -> None:
        house.create()
        for _ in range(3):
            house.prepare()
            house.rotate()
        assert house.states() == [S.PREVIOUS, S.PREVIOUS, S.PREVIOUS, S.ACTIVE]

    def test_without_an_active_version(self, house: House) -> None:
        two_versions(house)
        step(house, "disable")
        before = house.last_event
        house.rotate()
        assert house.states() == [S.DISABLED, S.ACTIVE]
        assert house.events(after=before)[0].event.before == {}

    def test_without_a_next_version(self, house: House) -> None:
        house.create()
        events = house.events()
        with pytest.raises(NoNextVersion) as refusal:
            house.rotate()
        assert refusal.value.facts == {"key": KEY}
        assert house.events() == events

    def test_a_pending_version_is_no_next_version(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        with tokens.failing("generate", DeadlineExceeded(token="one")), pytest.raises(CreationUnfinished):
            house.prepare()
        with pytest.raises(NoNextVersion):
            house.rotate()

    def test_a_version_that_is_missing_in_one_token(self, pair_house: House, two_tokens: MemoryTokens) -> None:
        key = two_versions(pair_house)
        with pytest.raises(NotInEveryToken) as refusal:
            pair_house.rotate()
        assert refusal.value.facts == {"key": KEY, "version": 2, "missing": ("two",), "unreachable": ()}
        two_tokens.copy(key.version(2).cka_id, target="two")
        rotated = pair_house.rotate()
        assert rotated.version(2).tokens == ("one", "two")
        assert pair_house.states() == [S.PREVIOUS, S.ACTIVE]

    def test_another_key_in_its_place_is_as_good_as_missing(self, pair_house: House, two_tokens: MemoryTokens) -> None:
        key = two_versions(pair_house)
        two_tokens.copy(key.version(2).cka_id, target="two")
        two_tokens.substitute(key.version(2).cka_id, token="two")
        with pytest.raises(NotInEveryToken) as refusal:
            pair_house.rotate()
        assert refusal.value.missing == ("two",)

    @pytest.mark.parametrize("sentence", UNREACHABLE)
    def test_a_token_that_cannot_be_asked(self, pair_house: House, two_tokens: MemoryTokens, sentence: str) -> None:
        key = two_versions(pair_house)
        two_tokens.copy(key.version(2).cka_id, target="two")
        with two_tokens.failing("has_key", UNREACHABLE[sentence]), pytest.raises(NotInEveryToken) as refusal:
            pair_house.rotate()
        assert (refusal.value.missing, refusal.value.unreachable) == ((), ("two",))
        assert pair_house.states() == [S.ACTIVE, S.NEXT]
        pair_house.rotate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Steps taken one after another, the state of version 1 after the last, and its event."""

    steps: tuple[str, ...]
    state: S
    event: E
    before: S


STEPS = {
    "an active version is disabled": Taken(
        steps=("disable",), state=S.DISABLED, event=E.VERSION_DISABLED, before=S.ACTIVE
    ),
    "an active version comes back as such": Taken(
        steps=("disable", "enable"), state=S.ACTIVE, event=E.VERSION_ENABLED, before=S.DISABLED
    ),
    "a previous version is retired": Taken(
        steps=("rotate", "retire"), state=S.RETIRED, event=E.VERSION_RETIRED, before=S.PREVIOUS
    ),
    "a previous version is disabled": Taken(
        steps=("rotate", "disable"), state=S.DISABLED, event=E.VERSION_DISABLED, before=S.PREVIOUS
    ),
    "a previous version comes back as such": Taken(
        steps=("rotate", "disable", "enable"), state=S.PREVIOUS, event=E.VERSION_ENABLED, before=S.DISABLED
    ),
    "a retired version is disabled": Taken(
        steps=("rotate", "retire", "disable"), state=S.DISABLED, event=E.VERSION_DISABLED, before=S.RETIRED
    ),
    "a retired version comes back as such": Taken(
        steps=("rotate", "retire", "disable", "enable"),
        state=S.RETIRED,
        event=E.VERSION_ENABLED,
        before=S.DISABLED,
    ),
    "an active version comes back as previous where another one signs": Taken(
        steps=("disable", "rotate", "enable"), state=S.PREVIOUS, event=E.VERSION_ENABLED, before=S.DISABLED
    ),
    "a disabled version is destroyed": Taken(
        steps=("disable", "destroy"), state=S.DESTROYED, event=E.VERSION_DESTROYED, before=S.DESTROYING
    ),
}


@pytest.mark.parametrize("sentence", STEPS)
def test_a_step_leads_to_its_state_and_leaves_its_event(house: House, sentence: str) -> None:
    row = STEPS[sentence]
    two_versions(house)
    for name in row.steps:
        before = house.last_event
        key = step(house, name)
    assert key == house.store.key(KEY)
    assert key.version(1).state is row.state
    *earlier, last = (item.event for item in house.events(after=before))
    assert [item.type for item in earlier] == ([E.DESTRUCTION_STARTED] if row.event is E.VERSION_DESTROYED else [])
    assert (last.type, last.actor, last.key, last.version) == (row.event, ADMIN.name, KEY, 1)
    assert (last.before, last.after) == ({"state": row.before}, {"state": row.state})


REFUSED_STEPS = {
    "the only active version is not destroyed": ((), "destroy", S.ACTIVE, ("disable",)),
    "an active version is not retired": ((), "retire", S.ACTIVE, ("disable",)),
    "an active version is not enabled": ((), "enable", S.ACTIVE, ("disable",)),
    "a previous version is not destroyed": (("rotate",), "destroy", S.PREVIOUS, ("retire", "disable")),
    "a previous version is not enabled": (("rotate",), "enable", S.PREVIOUS, ("retire", "disable")),
    "a retired version is not destroyed": (("rotate", "retire"), "destroy", S.RETIRED, ("disable",)),
    "a disabled version is not retired": (("disable",), "retire", S.DISABLED, ("enable", "destroy")),
    "a disabled version is not disabled": (("disable",), "disable", S.DISABLED, ("enable", "destroy")),
    "a destroyed version is not enabled": (("disable", "destroy"), "enable", S.DESTROYED, ()),
    "a destroyed version is not disabled": (("disable", "destroy"), "disable", S.DESTROYED, ()),
    "a destroyed version is not destroyed again": (("disable", "destroy"), "destroy", S.DESTROYED, ()),
}


@pytest.mark.parametrize("sentence", REFUSED_STEPS)
def test_a_step_that_the_table_lacks_is_refused(house: House, tokens: MemoryTokens, sentence: str) -> None:
    taken, name, state, allowed = REFUSED_STEPS[sentence]
    two_versions(house)
    for earlier in taken:
        step(house, earlier)
    key, events, pairs = house.store.key(KEY), house.events(), tokens.pairs()
    with pytest.raises(StepNotAllowed) as refusal:
        step(house, name)
    assert refusal.value.facts == {"key": KEY, "version": 1, "state": state, "step": name, "allowed": allowed}
    assert (house.store.key(KEY), house.events(), tokens.pairs()) == (key, events, pairs)


class TestEnable:
    def test_a_next_version_comes_back_as_such(self, house: House) -> None:
        two_versions(house)
        step(house, "disable", 2)
        step(house, "enable", 2)
        assert house.states() == [S.ACTIVE, S.NEXT]
        assert house.version(2).disabled_from is None

    def test_a_next_version_whose_place_is_taken_comes_back_as_previous(self, house: House) -> None:
        two_versions(house)
        step(house, "disable", 2)
        house.prepare()
        step(house, "enable", 2)
        assert house.states() == [S.ACTIVE, S.PREVIOUS, S.NEXT]

    def test_a_next_version_whose_place_is_being_taken_comes_back_as_previous(
        self, house: House, tokens: MemoryTokens
    ) -> None:
        two_versions(house)
        step(house, "disable", 2)
        with tokens.failing("generate", DeadlineExceeded(token="one")), pytest.raises(CreationUnfinished):
            house.prepare()
        step(house, "enable", 2)
        assert house.states() == [S.ACTIVE, S.PREVIOUS, S.PENDING]

    @pytest.mark.parametrize("number", [1, 2])
    def test_a_version_that_will_sign_proves_itself_first(
        self, house: House, tokens: MemoryTokens, number: int
    ) -> None:
        key = two_versions(house)
        step(house, "disable", number)
        tokens.substitute(key.version(number).cka_id)
        events = house.events()
        with pytest.raises(KeyMismatch):
            step(house, "enable", number)
        assert house.version(number).state is S.DISABLED
        assert house.events() == events

    def test_a_version_whose_pair_is_gone_does_not_come_back(self, house: House, tokens: MemoryTokens) -> None:
        key = house.create()
        step(house, "disable")
        tokens.remove(key.version(1).cka_id)
        with pytest.raises(KeyNotInToken):
            step(house, "enable")
        assert house.states() == [S.DISABLED]

    def test_a_quarantined_version_comes_back_once_the_token_is_mended(
        self, house: House, tokens: MemoryTokens
    ) -> None:
        key = house.create()
        (pair,) = tokens.pairs()
        house.application.quarantine(key, key.version(1))
        tokens.substitute(pair.key_id)
        with pytest.raises(KeyMismatch):
            step(house, "enable")
        assert house.states() == [S.QUARANTINED]
        tokens.remove(pair.key_id)
        tokens.put(pair)
        step(house, "enable")
        assert house.states() == [S.ACTIVE]

    def test_a_version_that_was_disabled_while_quarantined_proves_itself(
        self, house: House, tokens: MemoryTokens
    ) -> None:
        key = house.create()
        house.application.quarantine(key, key.version(1))
        step(house, "disable")
        tokens.substitute(key.version(1).cka_id)
        with pytest.raises(KeyMismatch):
            step(house, "enable")
        assert house.states() == [S.DISABLED]
