"""What a device asks for, as bytes that its keys sign.

The members stand in this order without blanks, and what is signed is what is sent. ``ts`` and ``nonce`` are in it: from
the first such request on, the service hears the key only with newer ones, so that a recorded request is worth nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from device.keys import DeviceKey

AUTH_REQUESTS = "/api/devices/v1/authentication/auth_requests"
KEY = "/api/devices/v1/authentication/key"
JSON = "application/json"
NONCE_BYTES = 16

Identity: TypeAlias = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Request:
    """One request. ``path``: from the server's address on, with its query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"  # headers and body are secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """``ts``: whole seconds since 1970; ``nonce``: 22 characters, never used before."""

    ts: int
    nonce: str

    @classmethod
    def at(cls, ts: int) -> Freshness:
        """With a nonce of its own."""
        return cls(ts=ts, nonce=secrets.token_urlsafe(NONCE_BYTES))


def identity_text(identity: Identity) -> str:
    """``id_data``: JSON with sorted members and no blanks."""
    return _compact(dict(sorted(identity.items())))


def auth_request(key: DeviceKey, identity: Identity, freshness: Freshness) -> Request:
    """A request for a token."""
    members = {"id_data": identity_text(identity), "pubkey": key.public_pem, **_fresh(freshness)}
    body = _compact(members).encode("ascii")
    headers = {"Content-Type": JSON, "X-MEN-Signature": key.sign(body)}
    return Request(method="POST", path=AUTH_REQUESTS, headers=headers, body=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """The key that is in force, and the one that shall take its place."""

    present: DeviceKey
    following: DeviceKey


def key_change(keys: KeyPair, identity: Identity, freshness: Freshness, token: str) -> Request:
    """A request to have the next key awaited, signed by both, with a token of the present one."""
    members = {
        "id_data": identity_text(identity),
        "pubkey": keys.present.public_pem,
        "next_pubkey": keys.following.public_pem,
        **_fresh(freshness),
    }
    body = _compact(members).encode("ascii")
    headers = {
        "Content-Type": JSON,
        "Authorization": f"Bearer {token}",
        "X-MEN-Signature": keys.present.sign(body),
        "X-MEN-Next-Signature": keys.following.sign(body),
    }
    return Request(method="PUT", path=KEY, headers=headers, body=body)


def _fresh(freshness: Freshness) -> dict[str, object]:
    return {"ts": freshness.ts, "nonce": freshness.nonce}


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)
