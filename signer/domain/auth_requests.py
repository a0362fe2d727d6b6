"""What devices send to get a token, or to change their key: bytes parsed once, then proved by their signatures.

1. What is signed are the bytes of the body as they came, with their newline.
2. The key comes in the request: its signature proves that whoever sends it has the key, and nothing else.
3. Members that are not known are left alone; a member that comes twice is refused.
4. ``ts`` and ``nonce`` come together or not at all. Of a key that has sent them once, requests without them, from
   before, or of a time far from the service's are replays or worse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_keys import DevicePublicKey, SignatureNotValid
from signer.domain.strict_json import NotStrictJson, strict_object
from signer.errors import AuthRequestInvalid, DeviceRefusal, DeviceRefused

MAX_TIMESTAMP = 1 << 40
# How far a device's clock may be from the service's.
CLOCK_TOLERANCE = timedelta(minutes=5)
# Of one second; more than its tokens allow.
MAX_NONCES = 16
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """``ts``: whole seconds since 1970; ``nonce``: random, of 16 to 64 characters."""

    ts: int
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastFresh:
    """The newest time that a key has sent, and the nonces that came with it."""

    ts: int
    nonces: tuple[str, ...]

    def followed_by(self, newer: Freshness) -> LastFresh | None:
        """What is last after that; None where it is no newer."""
        if newer.ts > self.ts:
            return LastFresh(ts=newer.ts, nonces=(newer.nonce,))
        if newer.ts < self.ts or newer.nonce in self.nonces or len(self.nonces) >= MAX_NONCES:
            return None
        return LastFresh(ts=self.ts, nonces=(*self.nonces, newer.nonce))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthRequest:
    """A request that its key has signed."""

    identity: DeviceIdentity
    key: DevicePublicKey
    freshness: Freshness | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """A change of a device's key that both keys have signed."""

    identity: DeviceIdentity
    key: DevicePublicKey
    next_key: DevicePublicKey
    freshness: Freshness


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedAuthRequest:
    """A request whose signature was not looked at."""

    body: bytes
    request: AuthRequest

    def verified(self, unverified_signature: str | None) -> AuthRequest:
        """The request, signed by its key; raises ``AuthRequestInvalid`` or ``DeviceRefused``."""
        _require_signed(self.request.key, unverified_signature, self.body, DeviceRefusal.SIGNATURE)
        return self.request


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedKeyChange:
    """A change of a key whose signatures were not looked at."""

    body: bytes
    change: KeyChange

    def verified(self, unverified_signature: str | None, unverified_next: str | None) -> KeyChange:
        """The change, signed by both keys; raises ``AuthRequestInvalid`` or ``DeviceRefused``."""
        _require_signed(self.change.key, unverified_signature, self.body, DeviceRefusal.SIGNATURE)
        _require_signed(self.change.next_key, unverified_next, self.body, DeviceRefusal.NEXT_SIGNATURE)
        return self.change


def read_auth_request(body: bytes) -> UnverifiedAuthRequest:
    """The body of a device's request; raises ``AuthRequestInvalid``."""
    members = _members(body)
    identity, key = _text(members, "id_data"), _text(members, "pubkey")
    request = AuthRequest(
        key=DevicePublicKey.of_pem(key), identity=DeviceIdentity.of_text(identity), freshness=_freshness(members)
    )
    return UnverifiedAuthRequest(body=body, request=request)


def read_key_change(body: bytes) -> UnverifiedKeyChange:
    """The body of a change of a key; raises ``AuthRequestInvalid``."""
    members = _members(body)
    freshness = _freshness(members)
    if freshness is None:
        raise AuthRequestInvalid(problem="ts and nonce are missing")
    change = KeyChange(
        key=DevicePublicKey.of_pem(_text(members, "pubkey")),
        next_key=DevicePublicKey.of_pem(_text(members, "next_pubkey")),
        identity=DeviceIdentity.of_text(_text(members, "id_data")),
        freshness=freshness,
    )
    if change.next_key.sha256 == change.key.sha256:
        raise AuthRequestInvalid(problem="next_pubkey is pubkey")
    return UnverifiedKeyChange(body=body, change=change)


def fresh_after(last: LastFresh | None, freshness: Freshness | None, *, now: datetime) -> LastFresh | None:
    """What a key has sent last after this request; None: it never sent a time. Raises ``DeviceRefused``."""
    if freshness is None:
        if last is not None:
            raise DeviceRefused(reason=DeviceRefusal.NOT_FRESH)
        return None
    if abs(freshness.ts - now.timestamp()) > CLOCK_TOLERANCE.total_seconds():
        raise DeviceRefused(reason=DeviceRefusal.CLOCK)
    first = LastFresh(ts=freshness.ts, nonces=(freshness.nonce,))
    following = first if last is None else last.followed_by(freshness)
    if following is None:
        raise DeviceRefused(reason=DeviceRefusal.NOT_FRESH)
    return following


def _require_signed(
    key: DevicePublicKey, unverified_signature: str | None, body: bytes, otherwise: DeviceRefusal
) -> None:
    if not unverified_signature:
        raise AuthRequestInvalid(problem="missing request signature header")
    try:
        key.verify(unverified_signature, body)
    except SignatureNotValid:
        raise DeviceRefused(reason=otherwise) from None


def _members(body: bytes) -> Mapping[str, Any]:
    try:
        return strict_object(body)
    except NotStrictJson:
        raise AuthRequestInvalid(problem="the body is not one JSON object with each member once") from None


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise AuthRequestInvalid(problem=f"{name} is missing, or no text")
    return value


def _freshness(members: Mapping[str, Any]) -> Freshness | None:
    ts, nonce = members.get("ts"), members.get("nonce")
    if ts is None and nonce is None:
        return None
    if type(ts) is not int or not 0 <= ts <= MAX_TIMESTAMP:
        raise AuthRequestInvalid(problem="ts is no whole number of seconds since 1970")
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise AuthRequestInvalid(problem="nonce is not 16 to 64 letters, digits, hyphens or underscores")
    return Freshness(ts=ts, nonce=nonce)
