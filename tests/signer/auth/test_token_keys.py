"""The keys that tokens verify with are read again when they have changed, and not otherwise."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signer.auth.issued_tokens import IssuedTokenVerifier
from signer.domain.keys import Key
from signer.domain.token_claims import TokenKind
from signer.errors import TokenRefusal, TokenRefused
from tests.support.issued_tokens import DEVICE_CLAIMS, NOW

from .token_pairs import ISSUERS, KEYS, LEEWAY, device, made

R = TokenRefusal
GOOD = made(device())


class TestWhatIsRemembered:
    """Keys are read again when the revision has moved, and not otherwise."""

    @staticmethod
    def watched(max_age: float) -> tuple[IssuedTokenVerifier, dict[str, Any]]:
        state: dict[str, Any] = {"revision": 1, "reads": 0, "looks": 0, "now": 0.0, "keys": KEYS}

        def read() -> tuple[tuple[Key, ...], int]:
            state["reads"] += 1
            return state["keys"], state["revision"]

        def revision() -> int:
            state["looks"] += 1
            return int(state["revision"])

        async def on_loop() -> int:
            return revision()

        return (
            IssuedTokenVerifier(
                read=read,
                revision=revision,
                revision_on_loop=on_loop,
                issuers=ISSUERS,
                clock=lambda: NOW,
                leeway=LEEWAY,
                monotonic=lambda: state["now"],
                max_age=max_age,
            ),
            state,
        )

    def test_before_it_looked_nothing_verifies(self) -> None:
        made_one, _ = self.watched(0.0)
        with pytest.raises(TokenRefused):
            made_one.verify(GOOD, TokenKind.DEVICE)

    def test_keys_are_read_once_while_nothing_changes(self) -> None:
        made_one, state = self.watched(0.0)
        for _ in range(3):
            asyncio.run(made_one.keep_current())
        assert (state["reads"], state["looks"]) == (1, 3)

    def test_a_key_that_was_taken_away_verifies_nothing_from_then_on(self) -> None:
        made_one, state = self.watched(0.0)
        asyncio.run(made_one.keep_current())
        made_one.verify(GOOD, TokenKind.DEVICE)
        state.update(keys=(), revision=2)
        asyncio.run(made_one.keep_current())
        with pytest.raises(TokenRefused):
            made_one.verify(GOOD, TokenKind.DEVICE)

    def test_a_look_stands_for_its_time_and_no_longer(self) -> None:
        made_one, state = self.watched(0.5)
        for now in (0.0, 0.4, 0.5, 0.9, 1.0):
            state["now"] = now
            made_one.take_over()
        assert state["looks"] == 3


def test_the_leeway_is_never_more_than_half_a_minute() -> None:
    lax = IssuedTokenVerifier(
        read=lambda: (KEYS, 1),
        revision=lambda: 1,
        revision_on_loop=lambda: asyncio.sleep(0, 1),
        issuers=ISSUERS,
        clock=lambda: datetime.fromtimestamp(DEVICE_CLAIMS.members["iat"] - 31, UTC),
        leeway=timedelta(seconds=300),
        monotonic=lambda: 0.0,
        max_age=0.0,
    )
    lax.take_over()
    with pytest.raises(TokenRefused) as refused:
        lax.verify(GOOD, TokenKind.DEVICE)
    assert refused.value.reason is R.NOT_YET_VALID
