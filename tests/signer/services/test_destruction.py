"""The end of a version: asked for twice, taken from every token, repeated where one did not answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hsm.errors import (
    PinRejected,
    TokenBusy,
    TokenError,
    TokenReadOnly,
    TokenUnavailable,
)
from signer.domain.events import EventType as E
from signer.domain.keys import VersionState as S
from signer.errors import (
    ConfirmationMismatch,
    StepNotAllowed,
)
from tests.support.house import ADMIN, KEY, House
from tests.support.memory_tokens import MemoryTokens

from .steps import step, two_versions


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
