"""The steps of a version's life: what they need, what they leave, what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from hsm.errors import (
    DeadlineExceeded,
    KeyMismatch,
    PinRejected,
    TokenBusy,
    TokenError,
    TokenReadOnly,
    TokenUnavailable,
)
from hsm.errors import KeyNotFound as KeyNotInToken
from signer.domain.events import EventType as E
from signer.domain.identity import Identity, Role
from signer.domain.keys import Key, Validity
from signer.domain.keys import VersionState as S
from signer.errors import (
    AccessDenied,
    ClockMovedBack,
    ConfirmationMismatch,
    KeyNotFound,
    NoNextVersion,
    NotInEveryToken,
    StepNotAllowed,
    VersionNotFound,
)
from signer.services.lifecycle import NewKeyRequest
from signer.services.pairs import PairSelector
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, KEY, House
from tests.support.memory_tokens import MemoryTokens
from tests.support.records import swap

UNREACHABLE: dict[str, TokenError] = {
    "it is gone": TokenUnavailable(token="two"),
    "it is busy": TokenBusy(token="two"),
    "it hangs": DeadlineExceeded(token="two"),
    "it refuses the PIN": PinRejected(token="two"),
}


def two_versions(house: House) -> Key:
    """An active version and a next one."""
    house.create()
    return house.prepare()


def step(house: House, name: str, number: int = 1) -> Key:
    """A step by the name of its command."""
    if name == "destroy":
        return house.lifecycle.destroy(ADMIN, KEY, number, confirmation=KEY).key
    if name == "rotate":
        return house.rotate()
    taken: Key = getattr(house.lifecycle, name)(ADMIN, KEY, number).key
    return taken


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
        assert house.events(after=before)[0].event.before == {"active": None}

    def test_without_a_next_version(self, house: House) -> None:
        house.create()
        events = house.events()
        with pytest.raises(NoNextVersion) as refusal:
            house.rotate()
        assert refusal.value.facts == {"key": KEY}
        assert house.events() == events

    def test_a_pending_version_is_no_next_version(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        with tokens.failing("generate", TokenUnavailable(token="one")), pytest.raises(TokenUnavailable):
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
        with tokens.failing("generate", TokenUnavailable(token="one")), pytest.raises(TokenUnavailable):
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
        house.signing.quarantine(key, key.version(1))
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
        house.signing.quarantine(key, key.version(1))
        step(house, "disable")
        tokens.substitute(key.version(1).cka_id)
        with pytest.raises(KeyMismatch):
            step(house, "enable")
        assert house.states() == [S.DISABLED]


class TestDestroy:
    @pytest.mark.parametrize("confirmation", ["", "Firmware", "firmware ", "firmware2", "yes", "1"])
    def test_it_asks_for_the_name_again(self, house: House, tokens: MemoryTokens, confirmation: str) -> None:
        house.create()
        step(house, "disable")
        events, pairs = house.events(), tokens.pairs()
        with pytest.raises(ConfirmationMismatch):
            house.lifecycle.destroy(ADMIN, KEY, 1, confirmation=confirmation)
        assert house.states() == [S.DISABLED]
        assert (house.events(), tokens.pairs()) == (events, pairs)

    def test_the_pair_leaves_every_token(self, pair_house: House, two_tokens: MemoryTokens) -> None:
        key = pair_house.create()
        two_tokens.copy(key.version(1).cka_id, target="two")
        step(pair_house, "disable")
        destroyed = step(pair_house, "destroy").version(1)
        assert (two_tokens.pairs("one"), two_tokens.pairs("two")) == ((), ())
        assert (destroyed.state, destroyed.tokens) == (S.DESTROYED, ())
        assert destroyed.fingerprint == key.version(1).fingerprint

    def test_only_this_pair_leaves(self, house: House, tokens: MemoryTokens) -> None:
        key = two_versions(house)
        step(house, "disable")
        step(house, "destroy")
        assert [pair.key_id for pair in tokens.pairs()] == [key.version(2).cka_id]

    def test_another_pair_in_its_place_is_left_alone(self, house: House, tokens: MemoryTokens) -> None:
        key = house.create()
        step(house, "disable")
        tokens.substitute(key.version(1).cka_id)
        step(house, "destroy")
        assert house.states() == [S.DESTROYED]
        assert len(tokens.pairs()) == 1

    def test_a_pair_that_is_gone_already(self, house: House, tokens: MemoryTokens) -> None:
        key = house.create()
        step(house, "disable")
        tokens.remove(key.version(1).cka_id)
        step(house, "destroy")
        assert house.states() == [S.DESTROYED]

    def test_a_pair_that_goes_meanwhile(self, house: House, tokens: MemoryTokens) -> None:
        key = house.create()
        step(house, "disable")
        with tokens.at("destroy", lambda: tokens.remove(key.version(1).cka_id)):
            step(house, "destroy")
        assert house.states() == [S.DESTROYED]

    FAILURES = {  # noqa: RUF012  (a table)
        "a token cannot be asked": ("has_key", TokenUnavailable(token="two"), False),
        "a token is busy": ("has_key", TokenBusy(token="two"), False),
        "a token refuses the PIN": ("has_key", PinRejected(token="two"), False),
        "a token is write-protected": ("destroy", TokenReadOnly(token="two"), False),
        "a token goes away before": ("destroy", TokenUnavailable(token="two"), False),
        "a token goes away after": ("destroy", TokenUnavailable(token="two"), True),
    }

    @pytest.mark.parametrize("sentence", FAILURES)
    def test_a_failure_in_between_is_mended_by_repeating(
        self, pair_house: House, two_tokens: MemoryTokens, sentence: str
    ) -> None:
        verb, error, after = self.FAILURES[sentence]
        key = pair_house.create()
        two_tokens.copy(key.version(1).cka_id, target="two")
        step(pair_house, "disable")
        before = pair_house.last_event
        with two_tokens.failing(verb, error, after=after), pytest.raises(TokenError):
            step(pair_house, "destroy")
        assert pair_house.states() == [S.DESTROYING]
        assert len(two_tokens.pairs("two")) == (0 if after else 1)
        for refused in ("enable", "disable", "retire"):
            with pytest.raises(StepNotAllowed):
                step(pair_house, refused)
        step(pair_house, "destroy")
        assert pair_house.states() == [S.DESTROYED]
        assert two_tokens.pairs("two") == ()
        assert pair_house.event_types(after=before) == [E.DESTRUCTION_STARTED, E.VERSION_DESTROYED]

    def test_a_token_that_is_no_longer_configured_is_named(
        self, open_worker: Callable[..., House], two_tokens: MemoryTokens
    ) -> None:
        house = open_worker(two_tokens)
        key = house.create()
        two_tokens.copy(key.version(1).cka_id, target="two")
        step(house, "disable")
        later = open_worker(MemoryTokens.restored(("one",), [row for row in two_tokens.snapshot() if row[0] == "one"]))
        outcome = later.lifecycle.destroy(ADMIN, KEY, 1, confirmation=KEY)
        assert outcome.key.version(1).state is S.DESTROYED
        (warning,) = outcome.warnings
        assert "two" in warning

    def test_its_name_stays_used(self, house: House) -> None:
        house.create()
        step(house, "disable")
        step(house, "destroy")
        with pytest.raises(Exception, match="key-name-taken"):
            house.create()


Step = Callable[[House, Identity], object]
EVERY_STEP: dict[str, Step] = {
    "create": lambda house, who: house.lifecycle.create(
        who, NewKeyRequest(unverified_name="new", unverified_algorithm="ecdsa-p256")
    ),
    "adopt": lambda house, who: house.lifecycle.adopt(
        who,
        NewKeyRequest(unverified_name="new", unverified_algorithm="ecdsa-p256"),
        PairSelector(label="firmware-v1"),
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
@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMINISTRATOR}))
def test_only_an_administrator_takes_steps(lived_in: House, tokens: MemoryTokens, name: str, role: Role) -> None:
    before = unchanged(lived_in, tokens)
    with pytest.raises(AccessDenied) as refusal:
        EVERY_STEP[name](lived_in, Identity(name="api-token:somebody", role=role))
    assert refusal.value.facts == {
        "identity": "api-token:somebody",
        "reason": f"the role {role} may not administer",
    }
    assert unchanged(lived_in, tokens) == before


@pytest.mark.parametrize("name", EVERY_STEP)
def test_no_step_is_taken_after_the_clock_moved_back(
    lived_in: House, tokens: MemoryTokens, clock: ManualClock, name: str
) -> None:
    before, newest = unchanged(lived_in, tokens), clock.now
    clock.advance(seconds=-6)
    with pytest.raises(ClockMovedBack) as refusal:
        EVERY_STEP[name](lived_in, ADMIN)
    assert refusal.value.facts == {"now": newest - timedelta(seconds=6), "newest": newest}
    assert unchanged(lived_in, tokens) == before


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
