"""CI tokens as issuers make them, and as attackers do: every part can be put together by hand."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

AUDIENCE = "https://signer.example"
P256_BYTES = 32
FIVE_MINUTES = 300
Signer = Callable[[bytes], bytes]


def encoded(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int) -> str:
    """A Base64urlUInt."""
    return encoded(value.to_bytes((value.bit_length() + 7) // 8 or 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A key of an issuer."""

    kid: str
    algorithm: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    @property
    def jwk(self) -> dict[str, Any]:
        """Its public half, as a key set has it."""
        common = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            return {**common, "kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        point = public.public_numbers()
        x, y = (encoded(value.to_bytes(P256_BYTES)) for value in (point.x, point.y))
        return {**common, "kty": "EC", "crv": "P-256", "x": x, "y": y}

    @property
    def pem(self) -> bytes:
        """Its public half as PEM: what a confused verifier might take for an HMAC secret."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message: bytes) -> bytes:
        """A JWS signature."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(P256_BYTES) + s.to_bytes(P256_BYTES)


@functools.cache
def rsa_pair(kid: str = "key-1", bits: int = 2048) -> KeyPair:
    """An RSA pair; the same for the same name, since making one takes long."""
    return KeyPair(kid=kid, algorithm="RS256", private=rsa.generate_private_key(65537, bits))


@functools.cache
def ec_pair(kid: str = "ec-1") -> KeyPair:
    """A P-256 pair."""
    return KeyPair(kid=kid, algorithm="ES256", private=ec.generate_private_key(ec.SECP256R1()))


def hmac_signer(secret: bytes) -> Signer:
    """Signs as HS256 does."""
    return lambda message: hmac.digest(secret, message, hashlib.sha256)


def token(
    claims: Mapping[str, Any] | bytes,
    *,
    key: KeyPair | None = None,
    header: Mapping[str, Any] | bytes | None = None,
    sign: Signer | None = None,
) -> str:
    """A token over these claims. ``header`` and ``claims`` as bytes are taken as they are."""
    key = key or rsa_pair()
    head = header if isinstance(header, bytes) else json.dumps({**default_header(key), **(header or {})}).encode()
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{encoded(head)}.{encoded(body)}"
    return f"{signed}.{encoded((sign or key.sign)(signed.encode()))}"


def default_header(key: KeyPair) -> dict[str, Any]:
    """The header that an issuer writes."""
    return {"typ": "JWT", "alg": key.algorithm, "kid": key.kid}


def github_claims(issuer: str, *, now: float | None = None, **changes: Any) -> dict[str, Any]:
    """What GitHub Actions puts into a token; a change to ``...`` leaves the claim out."""
    started = int(time.time() if now is None else now)
    claims = {
        "jti": secrets.token_hex(16),
        "sub": "repo:octo-org@123456/octo-repo@456789:environment:production",
        "aud": AUDIENCE,
        "iss": issuer,
        "iat": started,
        "nbf": started - 600,
        "exp": started + FIVE_MINUTES,
        "ref": "refs/heads/main",
        "ref_type": "branch",
        "sha": "0f" * 20,
        "repository": "octo-org/octo-repo",
        "repository_id": "456789",
        "repository_owner": "octo-org",
        "repository_owner_id": "123456",
        "event_name": "push",
        "environment": "production",
        "workflow": "release",
        "workflow_ref": "octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main",
        "job_workflow_ref": "octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main",
        "runner_environment": "github-hosted",
        "actor_id": "12",
        "run_id": "9876543210",
        "run_attempt": "1",
    }
    return _changed(claims, changes)


def gitlab_claims(issuer: str, *, now: float | None = None, **changes: Any) -> dict[str, Any]:
    """What GitLab puts into a token."""
    started = int(time.time() if now is None else now)
    claims = {
        "jti": secrets.token_hex(16),
        "sub": "project_path:my-group/sub/my-project:ref_type:branch:ref:main",
        "aud": AUDIENCE,
        "iss": issuer,
        "iat": started,
        "nbf": started - 5,
        "exp": started + 3600,
        "project_id": "20",
        "namespace_id": "72",
        "job_project_id": "20",
        "project_path": "my-group/sub/my-project",
        "ref": "main",
        "ref_type": "branch",
        "ref_path": "refs/heads/main",
        "ref_protected": "true",
        "pipeline_source": "push",
        "ci_config_ref_uri": "gitlab.example/my-group/sub/my-project//.gitlab-ci.yml@refs/heads/main",
        "pipeline_id": "574",
        "job_id": "302",
        "user_id": "1",
        "user_email": "somebody@example.com",
        "groups_direct": ["my-group"],
        "runner_id": 1,
    }
    return _changed(claims, changes)


def _changed(claims: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**claims, **changes}.items() if value is not ...}
