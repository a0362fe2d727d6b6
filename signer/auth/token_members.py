"""Members of unverified tokens, each of the type that it has to have; raises ``TokenRefused`` with its name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from signer.auth.ci.refusals import TokenRefused as SegmentRefused
from signer.auth.ci.token import decoded_segment
from signer.domain.strict_json import NotStrictJson, strict_object
from signer.domain.token_claims import SCOPE, TokenKind
from signer.errors import TokenRefusal, TokenRefused

MAX_SUBJECT_CHARACTERS = 64
LATEST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
KIND_CLAIMS = {kind: f"mender.{kind.value}" for kind in TokenKind}


def octets(segment: str) -> bytes:
    """What a segment holds."""
    try:
        return decoded_segment(segment)
    except SegmentRefused:
        raise TokenRefused(TokenRefusal.MALFORMED) from None


def members(raw: bytes) -> dict[str, Any]:
    """An object, each member once."""
    try:
        return strict_object(raw)
    except NotStrictJson:
        raise TokenRefused(TokenRefusal.MALFORMED) from None


def require_kind(claims: Mapping[str, Any], kind: TokenKind) -> None:
    """The token is of this kind and of no other, and of the one scope that there is."""
    for each, name in KIND_CLAIMS.items():
        # Exactly ``true``; and never both kinds.
        if claims.get(name) is not (True if each is kind else None):
            raise TokenRefused(TokenRefusal.KIND_REFUSED, name)
    if kind is TokenKind.USER and text(claims, "scp") != SCOPE:
        raise TokenRefused(TokenRefusal.SCOPE_REFUSED, "scp")


def moment(claims: Mapping[str, Any], name: str) -> datetime:
    """A NumericDate in whole seconds."""
    value = claims.get(name)
    if value is None:
        raise TokenRefused(TokenRefusal.CLAIM_MISSING, name)
    # ``True`` is an int to Python, and 1.0 equals 1: neither is a NumericDate that all readers take alike.
    if type(value) is not int or not 0 <= value <= LATEST_SECOND:
        raise TokenRefused(TokenRefusal.CLAIM_TYPE, name)
    return datetime.fromtimestamp(value, UTC)


def name_of(claims: Mapping[str, Any], name: str) -> str:
    """A text that can name something."""
    value = text(claims, name)
    if not 0 < len(value) <= MAX_SUBJECT_CHARACTERS or not (value.isascii() and value.isprintable()):
        raise TokenRefused(TokenRefusal.CLAIM_TYPE, name)
    return value


def text(claims: Mapping[str, Any], name: str) -> str:
    """A text."""
    value = claims.get(name)
    if value is None:
        raise TokenRefused(TokenRefusal.CLAIM_MISSING, name)
    if not isinstance(value, str):
        raise TokenRefused(TokenRefusal.CLAIM_TYPE, name)
    return value
