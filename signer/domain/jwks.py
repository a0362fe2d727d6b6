"""Public keys as a JSON Web Key Set (RFC 7517, RFC 7518 section 6, RFC 8037 section 2), for whoever verifies tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from signer.domain.keys import Key, KeyVersion, VersionState
from signer.domain.token_claims import JWS_ALGORITHMS, kid_of

COORDINATE_BYTES = 32
# What signs next is there before it does: so whoever keeps the set for a while knows it by then.
LISTED = frozenset({VersionState.NEXT, VersionState.ACTIVE, VersionState.PREVIOUS})


def key_set(keys: Iterable[Key]) -> bytes:
    """The set of all versions that tokens verify with, or soon will; a set without keys is one too."""
    listed = [_jwk(key, version) for key in keys for version in key.versions if version.state in LISTED]
    return json.dumps({"keys": listed}, separators=(",", ":")).encode()


def _jwk(key: Key, version: KeyVersion) -> dict[str, Any]:
    members = {"kid": kid_of(version.fingerprint or ""), "use": "sig", "alg": JWS_ALGORITHMS[key.algorithm]}
    return {**_public(version.spki or b""), **members}


def _public(spki: bytes) -> dict[str, str]:
    match load_der_public_key(spki):
        case EllipticCurvePublicKey() as public:
            point = public.public_numbers()
            return {
                "kty": "EC",
                "crv": "P-256",
                "x": _base64url(point.x.to_bytes(COORDINATE_BYTES)),
                "y": _base64url(point.y.to_bytes(COORDINATE_BYTES)),
            }
        case RSAPublicKey() as public:
            numbers = public.public_numbers()
            return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        case Ed25519PublicKey() as public:
            return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(public.public_bytes_raw())}
    raise TypeError("a key that signs no tokens")


def _number(value: int) -> str:
    # Without leading zeros (RFC 7518 section 2).
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
