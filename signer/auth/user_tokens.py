"""Tokens of users as bearer tokens: JSON Web Tokens that the service itself has signed.

1. The signature is verified first, by keys that are in memory: what anybody can make up costs no look at the database.
2. Whether a token still holds is asked of the database for each request, and nothing of it is remembered: whoever was
   logged out, disabled or given other roles is so from the next request on, on all machines.
3. What is wrong with a token is for the service's own log.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from signer.domain.identity import Identity, UserIdentity
from signer.domain.token_claims import TokenKind, VerifiedToken
from signer.domain.users import KIND
from signer.errors import CredentialsExpired, CredentialsRejected, TokenRefused
from signer.services.access_ports import Directory
from signer.services.ports import Clock
from signer.services.user_ports import TokenHolder

logger = logging.getLogger("artifact-signer.access")

# What every JSON Web Token begins with: ``{"`` in base64url.
PREFIX = "eyJ"


class Verifier(Protocol):
    """The part of ``services.token_ports.TokenVerifier`` that threads use."""

    def take_over(self) -> None:
        """Take over what has changed of keys."""

    def verify(self, unverified: str, kind: TokenKind) -> VerifiedToken:
        """What the token says; raises ``TokenRefused``."""


class Holders(Protocol):
    """Whose tokens are."""

    def holder(self, jti: str, user_id: str) -> TokenHolder | None:
        """Whose it is; None where it has ended, or the user or the person is disabled."""


class UserTokenAuthenticator:
    """``auth.methods.BearerMethod`` for tokens of users. ``used``: told the jti of a token that proved an identity."""

    def __init__(
        self, *, verifier: Verifier, holders: Holders, directory: Directory, clock: Clock, used: Callable[[str], None]
    ) -> None:
        self._verifier = verifier
        self._holders = holders
        self._directory = directory
        self._clock = clock
        self._used = used

    def named(self, token: str) -> str | None:
        """What one token is told from another by: a digest, for nothing of the text is public."""
        return KIND + hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()

    def remembered(self, token: str) -> Identity | None:  # noqa: ARG002  (the port's)
        """None: nothing is remembered."""
        return None

    def authenticate(self, token: str) -> Identity:
        """The identity behind the text of a token; raises ``CredentialsRejected``."""
        self._verifier.take_over()
        try:
            verified = self._verifier.verify(token, TokenKind.USER)
        except TokenRefused as error:
            logger.info("the token of a user was refused: %s", error)
            raise CredentialsRejected from None
        identity = self._found(verified.jti, verified.subject, verified.expires_at)
        if identity.token_name is not None:
            self._used(verified.jti)
        return identity

    def confirm(self, identity: Identity) -> None:
        """Raises ``CredentialsRejected`` unless its token still proves this very identity."""
        if not isinstance(identity, UserIdentity) or identity.expires_at is None:
            raise CredentialsRejected
        if self._clock() >= identity.expires_at:
            raise CredentialsExpired(expires_at=identity.expires_at)
        if self._found(identity.jti, identity.user_id, identity.expires_at) != identity:
            raise CredentialsRejected

    def proved(self, identity: Identity) -> bool:  # noqa: ARG002  (the port's)
        """False: it has to be confirmed."""
        return False

    def forget(self) -> None:
        """Nothing is remembered."""

    def _found(self, jti: str, user_id: str, expires_at: datetime) -> UserIdentity:
        holder = self._holders.holder(jti, user_id)
        if holder is None:
            logger.info("the token %s of a user was refused: it has ended, or its user may not log in", jti)
            raise CredentialsRejected
        user = holder.user
        membership = self._directory.membership(user.identity_name, person=user.person)
        return UserIdentity(
            name=user.identity_name,
            person=membership.person,
            groups=membership.groups,
            expires_at=expires_at,
            user_id=user.id,
            jti=jti,
            token_name=holder.name,
            roles=user.roles,
        )
