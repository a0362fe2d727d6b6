"""Tokens of users and devices: JSON Web Tokens (RFC 7519) with the claims that Mender's services read.

1. A token has an id of its own: to delete one never brings another one back.
2. ``nbf`` is the moment at which it was issued, and every token ends.
3. The algorithm follows the key's. ``kid`` is a text: the first 16 hexadecimal digits of the key's fingerprint.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from hsm.algorithms import Algorithm
from signer.domain.keys import Purpose

KID_DIGITS = 16
TOKEN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SCOPE = "mender.*"
MAX_LIFETIME = timedelta(days=365)

JWS_ALGORITHMS: Mapping[Algorithm, str] = MappingProxyType(
    {
        Algorithm.ECDSA_P256: "ES256",
        Algorithm.RSA_2048: "RS256",
        Algorithm.RSA_3072: "RS256",
        Algorithm.RSA_4096: "RS256",
        Algorithm.ED25519: "EdDSA",
    }
)


class TokenKind(StrEnum):
    """Whose token it is."""

    USER = "user"
    DEVICE = "device"

    @property
    def purpose(self) -> Purpose:
        """The purpose of the keys that sign such tokens."""
        return Purpose.USER_TOKEN if self is TokenKind.USER else Purpose.DEVICE_TOKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSubject:
    """A device that gets a token, by the auth set that it was accepted with."""

    device_id: str
    auth_set_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSubject:
    """A user who gets a token.

    Attributes:
        name: of a personal access token; None for that of a login.
        lifetime: None for that of the installation.
    """

    user_id: str
    name: str | None = None
    lifetime: timedelta | None = None


TokenSubject = DeviceSubject | UserSubject


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTerms:
    """What an installation says of the tokens of one kind.

    Attributes:
        key: name of the key that signs them.
        issuer: their ``iss``.
        plan, addons: of devices' tokens.
    """

    key: str
    issuer: str
    lifetime: timedelta
    plan: str = ""
    addons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerTerms:
    """What is accepted of the server that was there before. ``until``: aware UTC; nothing holds beyond it."""

    issuers: Mapping[TokenKind, str]
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHeader:
    """How a token is signed."""

    algorithm: str
    kid: str

    @property
    def members(self) -> dict[str, Any]:
        """The JOSE header."""
        return {"alg": self.algorithm, "kid": self.kid, "typ": "JWT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTimes:
    """From when to when a token holds, aware UTC, whole seconds."""

    issued_at: datetime
    expires_at: datetime

    @classmethod
    def beginning(cls, now: datetime, lifetime: timedelta) -> TokenTimes:
        """From the second of ``now`` on."""
        issued_at = now.astimezone(UTC).replace(microsecond=0)
        return cls(issued_at=issued_at, expires_at=issued_at + lifetime)

    @property
    def members(self) -> dict[str, int]:
        """As claims."""
        issued = int(self.issued_at.timestamp())
        return {"exp": int(self.expires_at.timestamp()), "iat": issued, "nbf": issued}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceClaims:
    """What a device's token says."""

    jti: str
    subject: DeviceSubject
    terms: TokenTerms
    times: TokenTimes

    @property
    def members(self) -> dict[str, Any]:
        """The claims in Mender's order, and the auth set, which has no place there."""
        return {
            "jti": self.jti,
            "sub": self.subject.device_id,
            "iss": self.terms.issuer,
            **self.times.members,
            "mender.device": True,
            "mender.plan": self.terms.plan,
            "mender.trial": False,
            "mender.addons": [{"name": name, "enabled": True} for name in self.terms.addons],
            "mender.auth_set": self.subject.auth_set_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class UserClaims:
    """What a user's token says."""

    jti: str
    subject: UserSubject
    terms: TokenTerms
    times: TokenTimes

    @property
    def members(self) -> dict[str, Any]:
        """The claims."""
        return {
            "jti": self.jti,
            "sub": self.subject.user_id,
            **self.times.members,
            "mender.user": True,
            "iss": self.terms.issuer,
            "scp": SCOPE,
        }


def is_token_id(text: str) -> bool:
    """Whether this can be a ``jti`` of ours."""
    return TOKEN_ID.fullmatch(text) is not None


def kid_of(fingerprint: str) -> str:
    """What tokens call the key with this fingerprint, lowercase hex SHA-256 of its SubjectPublicKeyInfo."""
    return fingerprint[:KID_DIGITS]


def encoded_header(header: TokenHeader) -> str:
    """The first segment of every token that is signed so: there is one spelling of it."""
    return _segment(header.members).decode("ascii")


def signing_input(header: TokenHeader, claims: DeviceClaims | UserClaims) -> bytes:
    """The bytes that a token's signature is over (RFC 7515 section 5.1)."""
    return _segment(header.members) + b"." + _segment(claims.members)


def token_text(signed: bytes, signature: bytes) -> str:
    """The whole token: what was signed, and the signature over it."""
    return (signed + b"." + _base64url(signature)).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A token that is on record. ``text``: the JWT, without a newline; the only copy."""

    text: str = field(repr=False)
    jti: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """What a token says whose signature, form and times are right. Whether it still holds is on record.

    Attributes:
        subject: id of the user or the device.
        auth_set: id of a device's auth set; None for users.
        key, version: what signed it.
        former: the server that was there before has issued it; it is on record nowhere.
    """

    kind: TokenKind
    jti: str
    subject: str
    auth_set: str | None
    issued_at: datetime
    expires_at: datetime
    key: str
    version: int
    former: bool = False


def _segment(members: Mapping[str, Any]) -> bytes:
    return _base64url(json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode())


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
