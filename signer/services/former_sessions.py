"""Logging out of what another server's login gave: its token proves nothing here but that it may end itself."""

from __future__ import annotations

from typing import Protocol

from signer.domain.token_claims import TokenKind, VerifiedToken
from signer.errors import TokenRefused
from signer.services.token_ports import TokenVerifier


class FormerTokenEndings(Protocol):
    """Those of users that ended, as they are on record."""

    def end(self, token: VerifiedToken) -> bool:
        """Let the token prove nothing any more, and with too many of its user all of theirs; False where it did not."""


class FormerSessions:
    """Safe for threads."""

    def __init__(self, *, verifier: TokenVerifier, endings: FormerTokenEndings) -> None:
        self._verifier = verifier
        self._endings = endings

    def log_out(self, unverified: str) -> bool:
        """End the token, where it is one that another server issued to a user; whether anything ended."""
        self._verifier.take_over()
        try:
            token = self._verifier.verify(unverified, TokenKind.USER)
        except TokenRefused:
            return False
        return token.former and self._endings.end(token)
