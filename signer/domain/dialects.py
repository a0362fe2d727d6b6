"""The words in which other products ask for signatures over digests, as far as they decide anything.

HashiCorp Vault's transit engine, as ``mender-artifact --vault-transit-key`` and ``hvac`` speak it, and Keyfactor
SignServer's workers, as ``mender-artifact --keyfactor-signserver-worker`` does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hsm.algorithms import Algorithm

SCALAR_BYTES = 32
DIGEST_BYTES = 32
# First segments of the service's own paths below /v1/: none of them can be a mount.
NATIVE_SEGMENTS = frozenset(
    {
        "api-tokens", "approvals", "auth", "ci-sessions", "client-certificates", "device-certificates", "events",
        "groups", "identities", "keys", "log", "openapi.json", "people", "policy", "server-certificates", "users",
    }
)  # fmt: skip
MOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,62}){0,7}")
_VAULT_SIGNATURE = re.compile(r"vault:v([1-9][0-9]{0,8}):([A-Za-z0-9+/_=-]{1,1024})")
# Of SHA-256 of "dummy": what SignServer's clients have signed only to be shown the certificate.
SIGNSERVER_DUMMY = hashlib.sha256(b"dummy").digest()


class Dialect(StrEnum):
    """Whose words."""

    VAULT = "vault"
    SIGNSERVER = "signserver"


class Marshaling(StrEnum):
    """How a signature stands in Vault's answers."""

    ASN1 = "asn1"  # DER for ECDSA; standard base64
    JWS = "jws"  # r‖s for ECDSA; base64url without padding


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSignature:
    """A signature as Vault's clients show it. ``raw``: in the token layer's form."""

    version: int
    raw: bytes


def vault_signature(algorithm: Algorithm, version: int, raw: bytes, marshaling: Marshaling) -> str:
    """``vault:vN:`` and the signature."""
    if marshaling is Marshaling.JWS:
        encoded = base64.urlsafe_b64encode(raw).rstrip(b"=")
    else:
        encoded = base64.b64encode(_der(raw) if algorithm is Algorithm.ECDSA_P256 else raw)
    return f"vault:v{version}:{encoded.decode('ascii')}"


def read_vault_signature(text: str, algorithm: Algorithm, marshaling: Marshaling) -> VaultSignature | None:
    """What ``vault_signature`` wrote; None for anything else."""
    matched = _VAULT_SIGNATURE.fullmatch(text)
    if matched is None:
        return None
    try:
        if marshaling is Marshaling.JWS:
            raw = base64.b64decode(matched[2] + "=" * (-len(matched[2]) % 4), altchars=b"-_", validate=True)
        else:
            raw = base64.b64decode(matched[2], validate=True)
            raw = _raw(raw) if algorithm is Algorithm.ECDSA_P256 else raw
    except (ValueError, OverflowError):
        return None
    return VaultSignature(version=int(matched[1]), raw=raw)


def verifies(spki: bytes, digest: bytes, raw: bytes) -> bool:
    """Whether it is a signature over what has the SHA-256 digest, by this key: P-256, or RSA with PKCS#1 v1.5."""
    public, hashed = load_der_public_key(spki), Prehashed(SHA256())
    try:
        match public:
            case ec.EllipticCurvePublicKey() if len(raw) == 2 * SCALAR_BYTES:
                public.verify(_der(raw), digest, ec.ECDSA(hashed))
            case rsa.RSAPublicKey():
                public.verify(raw, digest, padding.PKCS1v15(), hashed)
            case _:
                return False
    except InvalidSignature:
        return False
    return True


def decoded(text: str) -> bytes | None:
    """Standard, padded base64 on one line; None for anything else."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _der(raw: bytes) -> bytes:
    r, s = raw[:SCALAR_BYTES], raw[SCALAR_BYTES:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


def _raw(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(SCALAR_BYTES, "big") + s.to_bytes(SCALAR_BYTES, "big")
