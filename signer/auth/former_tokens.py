"""Tokens that a Mender server issued before this installation took its place, until they end.

1. Such a token has the header that the server writes, byte for byte: an algorithm and the type; a user's also a number
   for ``kid``, which chooses nothing here. It is verified with the keys of the kind's purpose that have the algorithm.
2. Its ``jti`` is the id of a device's authentication set, and ``sub`` the device's; a user's ``sub`` is the user's. Who
   these are on record is looked at as for any token, and only those who came from that server have such tokens.
3. It has an end of its own, and none holds beyond the moment that the settings name. Keys that were in a file once may
   be somebody else's too: that moment ends what can be made with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from signer.auth.token_members import moment, name_of, require_kind, text
from signer.domain.token_claims import FormerTerms, TokenKind, VerifiedToken
from signer.errors import TokenRefusal, TokenRefused

_HEADERS: Mapping[TokenKind, re.Pattern[bytes]] = {
    TokenKind.DEVICE: re.compile(rb'\{"alg":"(RS256|EdDSA)","typ":"JWT"\}'),
    TokenKind.USER: re.compile(rb'\{"alg":"(RS256|EdDSA)"(?:,"kid":[0-9]{1,10})?,"typ":"JWT"\}'),
}
# The zero time of Go, as seconds of Unix: what the server writes for ``nbf``.
GO_ZERO = -62_135_596_800


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerTokens:
    """What is made of their headers and claims. ``leeway``: by which ``iat`` may be ahead."""

    terms: FormerTerms
    leeway: timedelta

    def algorithm(self, header: bytes, kind: TokenKind) -> str | None:
        """As a JWS names it; None for what is no header of that server."""
        found = _HEADERS[kind].fullmatch(header)
        return None if found is None else found[1].decode("ascii")

    def verified(
        self, claims: Mapping[str, Any], kind: TokenKind, *, now: datetime, key: tuple[str, int]
    ) -> VerifiedToken:
        """What a token says that the key has signed; raises ``TokenRefused``. ``key``: name and version."""
        require_kind(claims, kind)
        if text(claims, "iss") != self.terms.issuers[kind]:
            raise TokenRefused(TokenRefusal.ISSUER_REFUSED, "iss")
        issued_at, expires_at = moment(claims, "iat"), moment(claims, "exp")
        begins = [issued_at] if claims.get("nbf") in (None, GO_ZERO) else [issued_at, moment(claims, "nbf")]
        if max(begins) > now + self.leeway:
            raise TokenRefused(TokenRefusal.NOT_YET_VALID, "nbf")
        if min(expires_at, self.terms.until) <= now:
            raise TokenRefused(TokenRefusal.EXPIRED, "exp")
        jti = name_of(claims, "jti")
        return VerifiedToken(
            kind=kind,
            jti=jti,
            subject=name_of(claims, "sub"),
            auth_set=jti if kind is TokenKind.DEVICE else None,
            issued_at=issued_at,
            expires_at=expires_at,
            key=key[0],
            version=key[1],
            former=True,
        )
