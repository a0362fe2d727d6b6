"""From one token to another, step by step: what is left to do, and that nothing stops wherever the move stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from hsm.algorithms import Algorithm
from hsm.errors import DeadlineExceeded, KeyNotFound, TokenError, TokenUnavailable
from signer.bootstrap import build_reconciliation
from signer.domain.keys import Purpose, VersionState
from signer.domain.moving import MoveStep, Tokens, moved, remaining
from signer.errors import CreationUnfinished, NotInEveryToken, TokenNotConfigured
from signer.services.lifecycle import NewKeyRequest
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, KEY, UNLIMITED, House, settings
from tests.support.memory_tokens import MemoryTokens

from .conftest import OpenHouse
from .steps import sign

OLD, NEW = "one", "two"
Act = Callable[["Scene"], object]


@dataclass(frozen=True, slots=True)
class Scene:
    """A worker between the old and the new token."""

    house: House
    tokens: MemoryTokens
    makes: set[Algorithm] = field(default_factory=lambda: set(Algorithm))
    configured: list[str] = field(default_factory=lambda: [OLD, NEW])

    def create(self, name: str = KEY, *, purpose: Purpose = Purpose.ARTIFACT, tokens: tuple[str, ...] = (OLD,)) -> None:
        request = NewKeyRequest(unverified_name=name, unverified_algorithm="ecdsa-p256", purpose=purpose, tokens=tokens)
        self.house.lifecycle.create(ADMIN, request)

    def prepare(self, name: str = KEY, *tokens: str) -> None:
        self.house.lifecycle.prepare(ADMIN, name, validity=UNLIMITED, tokens=tokens or (NEW,))

    def held(self) -> Tokens:
        held = {}
        for name in self.tokens.names:
            try:
                held[name] = self.tokens.find_keys(name)
            except TokenError:
                continue
        return Tokens(source=OLD, configured=self.configured, held=held, makes=self.makes)

    def left(self) -> list[tuple[str, int, MoveStep]]:
        found = remaining(self.house.store.all_keys(), self.held())
        return [(move.key.name, move.version.number, move.step) for move in found]

    def repair(self) -> None:
        names = self.tokens.names
        chosen = settings("sqlite:////nowhere", Path("/nowhere"), names)
        reconciliation = build_reconciliation(chosen, self.house.parts, self.house.application, token_names=names)
        for each in reconciliation.survey(pending_age=timedelta(0)).discrepancies:
            reconciliation.repair(each, pending_age=timedelta(0))


@pytest.fixture
def scene(open_worker: OpenHouse, two_tokens: MemoryTokens, clock: ManualClock) -> Scene:
    made = Scene(open_worker(two_tokens), two_tokens)
    made.create()
    return made


def refused_by_the_new_token(scene: Scene) -> None:
    with scene.tokens.failing(None, TokenUnavailable(token=NEW)), pytest.raises(TokenUnavailable):
        scene.prepare()


def interrupted_before_the_pair(scene: Scene) -> None:
    with scene.tokens.failing("generate", DeadlineExceeded(token=NEW)), pytest.raises(CreationUnfinished):
        scene.prepare()


def interrupted_after_the_pair(scene: Scene) -> None:
    def lose_the_answer() -> None:
        raise SystemExit

    with scene.tokens.at("generate", lose_the_answer, token=NEW, after=True), pytest.raises(SystemExit):
        scene.prepare()


def then(first: Act, second: Act) -> Act:
    def both(scene: Scene) -> None:
        first(scene)
        second(scene)

    return both


def rotated(scene: Scene) -> None:
    scene.prepare()
    scene.house.rotate()


def lose_the_next_pair(scene: Scene) -> None:
    scene.prepare()
    scene.tokens.remove(scene.house.version(2).cka_id, token=NEW)


def refused_to_rotate(scene: Scene) -> None:
    scene.prepare()
    with scene.tokens.failing("has_key", TokenUnavailable(token=NEW)), pytest.raises(NotInEveryToken):
        scene.house.rotate()


def back(scene: Scene) -> None:
    rotated(scene)
    scene.prepare(KEY, OLD)
    scene.house.rotate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where a move of the key stops, what is next, and the token that signatures come from meanwhile."""

    act: Act
    left: tuple[int, MoveStep] | None
    signs_in: str = OLD


STOPS = {
    "before anything": Stop(act=lambda _: None, left=(1, MoveStep.PREPARE)),
    "where the new token refuses the pair": Stop(act=refused_by_the_new_token, left=(1, MoveStep.PREPARE)),
    "before the new pair is made": Stop(act=interrupted_before_the_pair, left=(2, MoveStep.REPAIR)),
    "before the new pair is made, and it is repaired": Stop(
        act=then(interrupted_before_the_pair, Scene.repair), left=(1, MoveStep.PREPARE)
    ),
    "after the new pair is made": Stop(act=interrupted_after_the_pair, left=(2, MoveStep.REPAIR)),
    "after the new pair is made, and it is repaired": Stop(
        act=then(interrupted_after_the_pair, Scene.repair), left=(2, MoveStep.ROTATE)
    ),
    "with the next version in the new token": Stop(act=lambda scene: scene.prepare(), left=(2, MoveStep.ROTATE)),
    "with the next version lost there": Stop(act=lose_the_next_pair, left=(2, MoveStep.AWAIT)),
    "with a next version from before, in the old token": Stop(
        act=lambda scene: scene.prepare(KEY, OLD), left=(2, MoveStep.WITHDRAW)
    ),
    "where the new token does not answer to the rotation": Stop(act=refused_to_rotate, left=(2, MoveStep.ROTATE)),
    "after the rotation": Stop(act=rotated, left=None, signs_in=NEW),
    "after it, with a version prepared in the old token again": Stop(
        act=then(rotated, lambda scene: scene.prepare(KEY, OLD)), left=(3, MoveStep.WITHDRAW), signs_in=NEW
    ),
    "where it went back": Stop(act=back, left=(3, MoveStep.PREPARE)),
}


@pytest.mark.parametrize("sentence", STOPS)
def test_a_move_may_stop(scene: Scene, sentence: str) -> None:
    stop = STOPS[sentence]
    stop.act(scene)
    assert scene.left() == ([] if stop.left is None else [(KEY, *stop.left)])
    other = NEW if stop.signs_in == OLD else OLD
    # What signs needs the one token, whatever becomes of the other.
    with scene.tokens.failing(None, TokenUnavailable(token=other)):
        sign(scene.house)
    with scene.tokens.failing("sign", TokenUnavailable(token=stop.signs_in)), pytest.raises(TokenUnavailable):
        sign(scene.house)


def test_a_key_stays_where_it_went(scene: Scene) -> None:
    rotated(scene)
    scene.house.prepare()
    assert [version.home for version in scene.house.store.key(KEY).versions] == [(OLD,), (NEW,), (NEW,)]
    assert scene.house.store.key(KEY).tokens == (NEW,)
    assert [len(scene.tokens.pairs(token)) for token in (OLD, NEW)] == [1, 2]


def test_a_key_that_was_only_prepared_has_not_moved(scene: Scene) -> None:
    scene.prepare()
    assert scene.house.store.key(KEY).tokens == (OLD,)
    scene.house.lifecycle.retire(ADMIN, KEY, 2)
    scene.house.prepare()
    assert scene.house.version(3).home == (OLD,)


def test_the_new_token_is_not_asked_for_a_key_that_is_not_there(scene: Scene) -> None:
    scene.prepare()
    with (
        scene.tokens.failing("sign", KeyNotFound(token=NEW)) as _,
        scene.tokens.at("sign", lambda: pytest.fail("the new token was asked"), token=NEW),
    ):
        sign(scene.house)


@pytest.mark.parametrize("tokens", [("three",), (NEW, "three")], ids=" and ".join)
def test_a_version_goes_to_no_token_that_is_not_configured(scene: Scene, tokens: tuple[str, ...]) -> None:
    with pytest.raises(TokenNotConfigured):
        scene.prepare(KEY, *tokens)
    assert scene.house.states() == [VersionState.ACTIVE]


def test_a_key_whose_token_left_has_to_be_told_where_to_go(
    scene: Scene, open_worker: OpenHouse, two_tokens: MemoryTokens
) -> None:
    without = MemoryTokens(NEW)
    house = open_worker(without)
    with pytest.raises(TokenNotConfigured):
        house.prepare()
    house.lifecycle.prepare(ADMIN, KEY, validity=UNLIMITED, tokens=(NEW,))
    house.rotate()
    sign(house)


def test_a_version_for_two_tokens_waits_until_both_hold_it(scene: Scene) -> None:
    scene.prepare(KEY, NEW, OLD)
    with pytest.raises(NotInEveryToken) as refusal:
        scene.house.rotate()
    assert refusal.value.missing == (OLD,)
    scene.tokens.copy(scene.house.version(2).cka_id, source=NEW, target=OLD)
    assert scene.house.rotate().tokens == (NEW, OLD)
    assert scene.left() == []


class TestWhatIsLeft:
    def test_a_clone_in_another_token_is_enough(self, scene: Scene) -> None:
        scene.create("cloned", tokens=(OLD, NEW))
        assert ("cloned", 1, MoveStep.PREPARE) in scene.left()
        scene.tokens.copy(scene.house.version(1, "cloned").cka_id, source=OLD, target=NEW)
        assert "cloned" not in [name for name, _, _ in scene.left()]

    def test_another_pair_under_its_identifier_is_none(self, scene: Scene) -> None:
        scene.create("cloned", tokens=(OLD, NEW))
        key_id = scene.house.version(1, "cloned").cka_id
        scene.tokens.copy(key_id, source=OLD, target=NEW)
        scene.tokens.substitute(key_id, token=NEW)
        assert ("cloned", 1, MoveStep.PREPARE) in scene.left()

    def test_a_clone_in_a_token_that_is_not_configured_is_none(self, scene: Scene) -> None:
        scene.create("cloned", tokens=(OLD, NEW))
        scene.tokens.copy(scene.house.version(1, "cloned").cka_id, source=OLD, target=NEW)
        scene.configured.remove(NEW)
        assert ("cloned", 1, MoveStep.PREPARE) in scene.left()

    def test_a_token_that_cannot_make_such_pairs_needs_another_key(self, scene: Scene) -> None:
        scene.makes.clear()
        assert scene.left() == [(KEY, 1, MoveStep.REPLACE)]

    def test_another_key_of_the_log_takes_over(self, scene: Scene) -> None:
        scene.create("log", purpose=Purpose.LOG)
        assert scene.left()[0] == ("log", 1, MoveStep.PREPARE)
        scene.create("log-two", purpose=Purpose.LOG, tokens=(NEW,))
        assert scene.left()[0] == ("log", 1, MoveStep.SWITCH_OFF)
        scene.house.lifecycle.disable(ADMIN, "log", 1)
        assert scene.left() == [(KEY, 1, MoveStep.PREPARE)]

    def test_a_former_version_of_a_ca_of_devices_signs_lists(self, scene: Scene) -> None:
        for purpose in (Purpose.SERVER_CA, Purpose.DEVICE_CA):
            scene.create(purpose.value, purpose=purpose)
            scene.prepare(purpose.value)
            scene.house.rotate(purpose.value)
        assert scene.left() == [("device-ca", 1, MoveStep.RETIRE), (KEY, 1, MoveStep.PREPARE)]
        scene.house.lifecycle.retire(ADMIN, "device-ca", 1)
        assert scene.left() == [(KEY, 1, MoveStep.PREPARE)]

    def test_what_is_not_forgotten_yet_keeps_the_old_token(self, scene: Scene) -> None:
        rotated(scene)
        scene.house.lifecycle.disable(ADMIN, KEY, 1)
        assert scene.left() == []
        with scene.tokens.failing("destroy", TokenUnavailable(token=OLD)), pytest.raises(TokenUnavailable):
            scene.house.lifecycle.destroy(ADMIN, KEY, 1, confirmation=KEY)
        assert scene.left() == [(KEY, 1, MoveStep.DESTROY)]
        scene.house.lifecycle.destroy(ADMIN, KEY, 1, confirmation=KEY)
        assert scene.left() == []

    def test_what_everything_needs_comes_first(self, scene: Scene) -> None:
        for purpose in Purpose:
            if purpose is not Purpose.ARTIFACT:
                scene.create(purpose.value, purpose=purpose)
        assert [name for name, _, _ in scene.left()] == [
            "log", "user-token", "device-token", "server-ca", "device-ca", "trust-root", KEY
        ]  # fmt: skip

    def test_keys_that_were_never_there_are_not_told(self, scene: Scene) -> None:
        scene.create("elsewhere", tokens=(NEW,))
        rotated(scene)
        assert scene.left() == []
        assert [key.name for key in moved(scene.house.store.all_keys(), scene.held())] == [KEY]
