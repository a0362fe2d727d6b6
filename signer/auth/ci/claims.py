"""The claims of a CI token whose signature was verified: what it says of time and audience, with types of its own.

1. The payload is read from the bytes that were verified, each member once.
2. ``aud`` is exactly one string, this service's. A token that is valid elsewhere too can be passed on from there.
3. Times are whole numbers of seconds, with one leeway; the time from ``iat`` to ``exp`` is bounded by the issuer's
   limit, whatever the issuer thinks of it.
4. ``jti`` is there: without it nobody could tell a first use from a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from signer.auth.ci.refusals import Reason, TokenRefused
from signer.domain.strict_json import NotStrictJson, strict_object

LEEWAY = timedelta(seconds=30)
MAX_JTI_CHARACTERS = 256
# The years that a database can hold; who says later, or earlier, is refused by the bound of the lifetime or by now.
EARLIEST_SECOND = 0
LATEST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VerifiedClaims:
    """What an issuer says, timely and to this service.

    Attributes:
        issuer: ``iss``, exactly.
        jti: the token's own id, used once.
        issued_at, expires_at: ``iat`` and ``exp``, aware UTC.
        values: all claims.
    """

    issuer: str
    jti: str
    issued_at: datetime
    expires_at: datetime
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What every token of an issuer has to say. ``audience``: what this service is called."""

    issuer: str
    audience: str
    max_lifetime: timedelta


def verified_claims(payload: bytes, demands: Demands, *, now: datetime) -> VerifiedClaims:
    """The claims in ``payload``, whose signature was verified; raises ``TokenRefused``."""
    try:
        values = strict_object(payload)
    except NotStrictJson:
        raise TokenRefused(Reason.MALFORMED) from None
    if _text(values, "iss") != demands.issuer:
        raise TokenRefused(Reason.ISSUER_UNKNOWN, "iss")
    _require_audience(values, demands.audience)
    issued_at, expires_at = _times(values, demands.max_lifetime, now)
    jti = _text(values, "jti")
    if not jti or len(jti) > MAX_JTI_CHARACTERS or not (jti.isascii() and jti.isprintable()):
        raise TokenRefused(Reason.CLAIM_TYPE, "jti")
    return VerifiedClaims(issuer=demands.issuer, jti=jti, issued_at=issued_at, expires_at=expires_at, values=values)


def _require_audience(values: Mapping[str, Any], audience: str) -> None:
    told = values.get("aud")
    if told is None:
        raise TokenRefused(Reason.CLAIM_MISSING, "aud")
    if not isinstance(told, str) or told != audience:
        raise TokenRefused(Reason.AUDIENCE_REFUSED, "aud")


def _times(values: Mapping[str, Any], max_lifetime: timedelta, now: datetime) -> tuple[datetime, datetime]:
    issued_at, expires_at = _moment(values, "iat"), _moment(values, "exp")
    not_before = _moment(values, "nbf") if "nbf" in values else issued_at
    if expires_at - issued_at > max_lifetime:
        raise TokenRefused(Reason.LIFETIME_TOO_LONG, "exp")
    if expires_at <= now - LEEWAY or expires_at <= issued_at:
        raise TokenRefused(Reason.EXPIRED, "exp")
    for name, moment in (("iat", issued_at), ("nbf", not_before)):
        if now < moment - LEEWAY:
            raise TokenRefused(Reason.NOT_YET_VALID, name)
    return issued_at, expires_at


def _moment(values: Mapping[str, Any], name: str) -> datetime:
    value = values.get(name)
    if value is None:
        raise TokenRefused(Reason.CLAIM_MISSING, name)
    # ``True`` is an int to Python, and 1.0 equals 1: neither is a NumericDate that all readers take alike.
    if type(value) is not int or not EARLIEST_SECOND <= value <= LATEST_SECOND:
        raise TokenRefused(Reason.CLAIM_TYPE, name)
    return datetime.fromtimestamp(value, UTC)


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        raise TokenRefused(Reason.CLAIM_MISSING, name)
    if not isinstance(value, str):
        raise TokenRefused(Reason.CLAIM_TYPE, name)
    return value
