"""Logging out with a token: only one that another server issued goes on to the records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from signer.domain.token_claims import TokenKind, VerifiedToken
from signer.errors import TokenRefusal, TokenRefused
from signer.services.former_sessions import FormerSessions
from tests.support.clock import START

FORMER = VerifiedToken(
    kind=TokenKind.USER, jti="j", subject="u", auth_set=None, issued_at=START, expires_at=START + timedelta(days=1),
    key="t", version=1, former=True,
)  # fmt: skip


@dataclass
class Verifier:
    """Knows one token, after it was told to take over what has changed."""

    token: VerifiedToken
    current: bool = False

    def take_over(self) -> None:
        self.current = True

    def verify(self, unverified: str, kind: TokenKind) -> VerifiedToken:
        assert (self.current, kind) == (True, TokenKind.USER)
        if unverified != "right":
            raise TokenRefused(TokenRefusal.SIGNATURE_INVALID)
        return self.token


@dataclass
class Endings:
    """Remembers what was ended."""

    ended: list[VerifiedToken] = field(default_factory=list)

    def end(self, token: VerifiedToken) -> bool:
        self.ended.append(token)
        return True


ROWS = {
    "one that another server issued ends": ("right", FORMER, True),
    "one that was issued here does not": ("right", replace(FORMER, former=False), False),
    "one that does not verify does not": ("wrong", FORMER, False),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_logging_out(sentence: str) -> None:
    text, token, ends = ROWS[sentence]
    endings = Endings()
    assert FormerSessions(verifier=Verifier(token), endings=endings).log_out(text) is ends
    assert endings.ended == ([token] if ends else [])
