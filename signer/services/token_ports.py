"""What gives tokens to users and devices, and what says whether they hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from signer.domain.token_claims import DeviceSubject, IssuedToken, TokenKind, UserSubject, VerifiedToken
from signer.services.token_state_ports import TokenStanding


class TokenIssuer(Protocol):
    """Issues tokens."""

    async def issue(self, subject: DeviceSubject | UserSubject, *, actor: str, request_id: str) -> IssuedToken:
        """A token, signed and durably on record.

        ``actor``: as the leaf names who asked. Raises ``SubjectRefused``, ``TokensLimited``, ``TokenKeyMissing``, what
        says why the version may not sign now, a ``hsm.errors.TokenError``, ``RecorderUnavailable``, or what the
        database raises.
        """


class CountingTokenIssuer(TokenIssuer, Protocol):
    """Issues tokens, and tells how many."""

    @property
    def issued(self) -> Mapping[tuple[str, str, str], int]:
        """How many have left so far, by kind, key and version."""


class TokenVerifier(Protocol):
    """Verifies tokens by public keys that it remembers."""

    async def keep_current(self) -> None:
        """Take over what has changed of keys, for an event loop; to be awaited before ``verify``.

        It costs one look at the revision of access where nothing has. Raises what the database raises.
        """

    def take_over(self) -> None:
        """The same for a thread."""

    def verify(self, unverified: str, kind: TokenKind) -> VerifiedToken:
        """What the token says; does not wait and asks nobody. Raises ``TokenRefused``."""

    def key_set(self, kind: TokenKind) -> bytes:
        """The public keys of such tokens, as JSON (RFC 7517), with those that will sign next."""


class IssuedTokens(Protocol):
    """Knows what tokens were issued."""

    def last_end(self, version_id: int) -> datetime | None:
        """When the last of a version's tokens ends that were not revoked, aware UTC; None where there is none."""


class TokenStates(Protocol):
    """Knows which verified tokens still hold."""

    async def check(self, token: VerifiedToken) -> TokenStanding:
        """What is on record of one that does.

        Raises ``TokenRefused`` for another, ``TokenStatesUnavailable`` where that cannot be known now.
        """
