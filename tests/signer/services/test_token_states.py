"""The states of tokens in memory: current on every call, looked up once, bounded."""

from __future__ import annotations

import asyncio
import threading

import pytest

from signer.domain.token_claims import VerifiedToken
from signer.errors import TokenRefusal, TokenRefused, TokenStatesUnavailable
from signer.services.token_states import UNKNOWN_SECONDS, KnownTokenStates
from tests.support.gateway_tokens import MemoryStates, token_of


class Scene:
    """States over rows in memory, and a clock."""

    def __init__(self, *, max_tokens: int = 1000, **found: TokenRefusal | None) -> None:
        self.rows = MemoryStates(found=dict(found))
        self.now = 0.0
        self.states = KnownTokenStates(
            store=self.rows, watch=self.rows, monotonic=lambda: self.now, max_tokens=max_tokens
        )

    def check(self, token: VerifiedToken) -> TokenRefusal | None:
        """Why the token does not hold; None where it does."""
        try:
            asyncio.run(self.states.check(token))
        except TokenRefused as error:
            return error.reason
        return None


ONE, OTHER = token_of("device-1", jti="one"), token_of("device-2", jti="other")


def test_a_token_is_looked_up_once() -> None:
    scene = Scene(one=None)
    assert [scene.check(ONE) for _ in range(3)] == [None] * 3
    assert scene.rows.asked == ["one"]


@pytest.mark.parametrize(
    "refusal",
    [
        TokenRefusal.REVOKED,
        TokenRefusal.AUTH_SET_NOT_ACCEPTED,
        TokenRefusal.DEVICE_GONE,
        TokenRefusal.USER_DISABLED,
    ],
)
def test_what_was_taken_away_is_refused_at_the_next_call_and_remembered(refusal: TokenRefusal) -> None:
    scene = Scene(one=None)
    assert scene.check(ONE) is None
    scene.rows.take("device-1", "one", refusal)
    assert [scene.check(ONE) for _ in range(3)] == [refusal] * 3
    assert scene.rows.asked == ["one", "one"]


def test_what_is_given_back_holds_again() -> None:
    scene = Scene(one=TokenRefusal.AUTH_SET_NOT_ACCEPTED)
    assert scene.check(ONE) is TokenRefusal.AUTH_SET_NOT_ACCEPTED
    scene.rows.take("device-1", "one", None)
    assert scene.check(ONE) is None


def test_what_changes_for_one_is_not_looked_up_for_others() -> None:
    scene = Scene(one=None, other=None)
    assert (scene.check(ONE), scene.check(OTHER)) == (None, None)
    scene.rows.take("device-2", "other", TokenRefusal.REVOKED)
    assert (scene.check(ONE), scene.check(OTHER)) == (None, TokenRefusal.REVOKED)
    assert scene.rows.asked == ["one", "other", "other"]


def test_changes_that_are_too_many_to_be_named_are_of_everybody() -> None:
    scene = Scene(one=None, other=None)
    assert (scene.check(ONE), scene.check(OTHER)) == (None, None)
    scene.rows.too_many = True
    scene.rows.take("device-2", "other", TokenRefusal.REVOKED)
    assert (scene.check(ONE), scene.check(OTHER)) == (None, TokenRefusal.REVOKED)
    assert scene.rows.asked == ["one", "other", "one", "other"]


def test_a_counter_that_went_back_forgets_everybody() -> None:
    scene = Scene(one=TokenRefusal.REVOKED)
    scene.rows.counter = 7
    assert scene.check(ONE) is TokenRefusal.REVOKED
    scene.rows.counter, scene.rows.found["one"] = 6, None
    assert scene.check(ONE) is None


def test_after_it_went_back_what_moves_it_again_is_seen() -> None:
    scene = Scene(one=None)
    scene.rows.counter = 7
    assert scene.check(ONE) is None
    scene.rows.counter = 3
    assert scene.check(ONE) is None
    scene.rows.take("device-1", "one", TokenRefusal.REVOKED)  # the counter is 4, less than it once was
    assert scene.check(ONE) is TokenRefusal.REVOKED


def test_a_watch_that_is_behind_what_was_read_costs_no_look_at_each_call() -> None:
    scene = Scene(one=None)
    scene.rows.counter, scene.rows.seen = 5, 4
    assert [scene.check(ONE) for _ in range(5)] == [None] * 5
    assert scene.rows.read == 1
    scene.rows.seen = 5
    assert scene.check(ONE) is None
    assert scene.rows.read == 2


def test_nothing_holds_while_nobody_knows() -> None:
    scene = Scene(one=None)
    assert scene.check(ONE) is None
    scene.rows.unavailable = True
    with pytest.raises(TokenStatesUnavailable):
        scene.check(ONE)


def test_a_token_that_is_not_on_record_is_looked_up_again_after_a_moment() -> None:
    scene = Scene()
    assert [scene.check(ONE) for _ in range(3)] == [TokenRefusal.NOT_ON_RECORD] * 3
    assert scene.rows.asked == ["one"]
    scene.rows.found["one"] = None
    scene.now = UNKNOWN_SECONDS
    assert scene.check(ONE) is None
    assert scene.rows.asked == ["one", "one"]


def test_what_is_remembered_is_bounded() -> None:
    scene = Scene(max_tokens=10)
    tokens = [token_of(f"device-{number}", jti=f"jti-{number}") for number in range(25)]
    for token in tokens:
        scene.rows.found[token.jti] = None
        assert scene.check(token) is None
        assert scene.states.tokens <= 10
    assert scene.check(tokens[-1]) is None
    assert scene.rows.asked.count(tokens[-1].jti) == 1


def test_one_subject_with_many_tokens_is_bounded_too() -> None:
    scene = Scene(max_tokens=10)
    for number in range(25):
        scene.rows.found[f"jti-{number}"] = None
        assert scene.check(token_of("device-1", jti=f"jti-{number}")) is None
        assert scene.states.tokens <= 10


def test_what_was_read_before_the_counter_moved_is_not_remembered() -> None:
    scene = Scene(one=None, other=None)
    scene.rows.during_standing = threading.Event()

    async def race() -> None:
        slow = asyncio.create_task(scene.states.check(ONE))
        await asyncio.to_thread(scene.rows.asked_standing.wait, 30)
        scene.rows.take("device-1", "one", TokenRefusal.REVOKED)
        moved = asyncio.create_task(scene.states.check(OTHER))
        await asyncio.sleep(0)
        while not scene.rows.read > 1:
            await asyncio.sleep(0)
        assert scene.rows.during_standing is not None
        scene.rows.during_standing.set()
        await asyncio.gather(slow, moved)

    asyncio.run(race())
    assert scene.check(ONE) is TokenRefusal.REVOKED


def test_many_calls_that_find_the_counter_moved_read_once() -> None:
    scene = Scene(one=None)
    assert scene.check(ONE) is None
    scene.rows.take("device-2", "other", TokenRefusal.REVOKED)
    before = scene.rows.read

    async def crowd() -> None:
        await asyncio.gather(*(scene.states.check(ONE) for _ in range(20)))

    asyncio.run(crowd())
    assert scene.rows.read == before + 1
