"""A Mender server that was there before: it knows its devices and users, issues their tokens and lists both.

Tokens have the form that its services write: RS256, no ``kid`` for devices and a number for users.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import bcrypt
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.integration.fleet import DEVICES, NEXT
from tests.support.foreign_lists import foreign_id
from tests.support.gateway_site import Answering, Seen

AUTH_REQUESTS = "/api/devices/v1/authentication/auth_requests"
USERS = "/api/management/v1/useradm/users"
SINCE = "2025-02-03T04:05:06.789Z"
WEEK = 604_800
GO_ZERO = -62_135_596_800
WITH_HASH, HASHED_PASSWORD = "was-here@example.com", "the same as before"
WITHOUT_HASH = "by-another-way@example.com"


def _part(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: rsa.RSAPrivateKey) -> str:
    """A token in compact form."""
    said = b".".join(_part(json.dumps(each, separators=(",", ":")).encode()) for each in (header, claims))
    return (said + b"." + _part(key.sign(said, padding.PKCS1v15(), SHA256()))).decode()


@dataclass
class FormerServer(Answering):
    """Who asks for a token is accepted. ``device_key``, ``user_key``: sign the tokens of either."""

    device_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 3072))
    user_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 3072))
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, seen: Seen) -> tuple[int, bytes]:
        """Status and body."""
        path, _, query = seen.target.partition("?")
        if path == AUTH_REQUESTS:
            return 200, self._accept(json.loads(seen.body)).encode()
        lists = {DEVICES: list(self.devices.values()), USERS: users()}
        if path in lists:
            # Everything is on the first page.
            return 200, json.dumps(lists[path] if parse_qs(query).get("page", ["1"]) == ["1"] else []).encode()
        return (204, b"") if seen.target == NEXT else super().answer(seen)

    def user_token(self, email: str) -> str:
        """As a login gave it an hour ago."""
        claims = {
            "jti": str(uuid.uuid4()), "sub": foreign_id(email), **_hours(-1), "mender.user": True,
            "iss": "mender.useradm", "scp": "mender.*", "nbf": int(time.time()) - 3600,
        }  # fmt: skip
        return signed({"alg": "RS256", "kid": 0, "typ": "JWT"}, claims, self.user_key)

    def _accept(self, asked: Mapping[str, Any]) -> str:
        identity = json.loads(asked["id_data"])
        device, auth_set = foreign_id(asked["id_data"]), foreign_id(asked["pubkey"])
        facts = {"identity_data": identity, "status": "accepted"}
        one = {"id": auth_set, "pubkey": asked["pubkey"], "ts": SINCE, **facts}
        self.devices[device] = {
            "id": device, "created_ts": SINCE, "updated_ts": SINCE, "decommissioning": False, **facts,
            "auth_sets": [one],
        }  # fmt: skip
        claims = {
            "jti": auth_set, "sub": device, **_hours(0), "mender.device": True, "iss": "Mender", "nbf": GO_ZERO,
            "mender.plan": "enterprise", "mender.trial": False, "mender.addons": [],
        }  # fmt: skip
        return signed({"alg": "RS256", "typ": "JWT"}, claims, self.device_key)


def _hours(ago: int) -> dict[str, int]:
    issued = int(time.time()) + 3600 * ago
    return {"exp": issued + WEEK, "iat": issued}


def users() -> list[dict[str, Any]]:
    """As the API gives them, which tells no password."""
    return [{"id": foreign_id(email), "email": email, "created_ts": SINCE} for email in (WITH_HASH, WITHOUT_HASH)]


def exported_user() -> str:
    """One of them as an export of the database has it, on a line."""
    kept = bcrypt.hashpw(HASHED_PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    return json.dumps({"_id": foreign_id(WITH_HASH), "email": WITH_HASH, "password": kept}) + "\n"
