"""A key set (RFC 7517): what an issuer says its tokens verify with, and the signature itself.

1. Only keys that this service takes are taken: RSA of 2,048 to 8,192 bits and EC of the curves of the issuer's
   algorithms, for signatures, with a ``kid``. Others are passed over: issuers list keys for other purposes too.
2. Two keys with one ``kid``, or none that can be taken, refuse the whole set.
3. The key decides nothing: the token's algorithm is one of the issuer's, and the key fits it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from signer.auth.ci.refusals import Reason, TokenRefused
from signer.auth.ci.token import MAX_KEY_ID_CHARACTERS, UnverifiedToken, decoded_segment
from signer.domain.ci import ALGORITHMS, EC_CURVES, RSA_ALGORITHMS
from signer.domain.strict_json import NotStrictJson, strict_object

if TYPE_CHECKING:
    from jwt import PyJWS

MAX_KEYS = 100
RSA_BITS = range(2048, 8192 + 1)
# Larger ones cost more at each verification, and nobody uses them.
MAX_RSA_EXPONENT_BITS = 33
CURVES: Mapping[str, ec.EllipticCurve] = MappingProxyType(
    {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
)

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class KeySetRefused(Exception):
    """What came is no key set that can be used; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerKey:
    """A public key of an issuer, and the algorithms that it may verify."""

    key: PublicKey
    algorithms: frozenset[str]


def key_set(raw: bytes, algorithms: Collection[str]) -> Mapping[str, IssuerKey]:
    """The keys by ``kid``; raises ``KeySetRefused``."""
    try:
        listed = strict_object(raw).get("keys")
    except NotStrictJson:
        raise KeySetRefused("it is not a JSON object with each member once") from None
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_KEYS:
        raise KeySetRefused(f"it does not list 1 to {MAX_KEYS} keys")
    found: dict[str, IssuerKey] = {}
    for item in listed:
        key_id, key = _key_id(item), _key(item, frozenset(algorithms))
        if key_id is None or key is None:
            continue
        if key_id in found:
            raise KeySetRefused("two of its keys have the same kid")
        found[key_id] = key
    if not found:
        raise KeySetRefused("none of its keys can be used")
    return MappingProxyType(found)


def verified_payload(token: UnverifiedToken, key: IssuerKey) -> bytes:
    """The bytes of the payload, which this key signed; raises ``TokenRefused``."""
    from jwt.exceptions import PyJWTError

    if token.algorithm not in key.algorithms:
        raise TokenRefused(Reason.ALGORITHM_REFUSED, "alg")
    try:
        decoded = _verifier().decode_complete(token.text, key.key, algorithms=[token.algorithm])
    except PyJWTError:
        raise TokenRefused(Reason.SIGNATURE_INVALID) from None
    payload: bytes = decoded["payload"]
    return payload


@lru_cache(maxsize=1)
def _verifier() -> PyJWS:
    from jwt import PyJWS

    return PyJWS(algorithms=sorted(ALGORITHMS), options={"enforce_minimum_key_length": True})


def _key_id(item: object) -> str | None:
    key_id = item.get("kid") if isinstance(item, dict) else None
    return key_id if isinstance(key_id, str) and 0 < len(key_id) <= MAX_KEY_ID_CHARACTERS else None


def _key(item: Any, algorithms: frozenset[str]) -> IssuerKey | None:
    if not isinstance(item, dict) or not _for_signatures(item):
        return None
    told = item.get("alg")
    usable = algorithms if told is None else algorithms & {told if isinstance(told, str) else ""}
    match item.get("kty"):
        case "RSA":
            usable &= RSA_ALGORITHMS
            key: PublicKey | None = _rsa(item)
        case "EC":
            usable = frozenset(name for name in usable if EC_CURVES.get(name) == item.get("crv"))
            key = _ec(item) if usable else None
        case _:
            return None
    return IssuerKey(key=key, algorithms=usable) if key is not None and usable else None


def _for_signatures(item: Mapping[str, Any]) -> bool:
    operations = item.get("key_ops", ["verify"])
    # Who publishes a private key has lost it.
    return (
        item.get("use", "sig") == "sig" and "d" not in item and isinstance(operations, list) and "verify" in operations
    )


def _rsa(item: Mapping[str, Any]) -> rsa.RSAPublicKey | None:
    modulus, exponent = _number(item, "n"), _number(item, "e")
    if modulus.bit_length() not in RSA_BITS or exponent.bit_length() > MAX_RSA_EXPONENT_BITS:
        return None
    try:
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        return None


def _ec(item: Mapping[str, Any]) -> ec.EllipticCurvePublicKey | None:
    try:
        return ec.EllipticCurvePublicNumbers(_number(item, "x"), _number(item, "y"), CURVES[item["crv"]]).public_key()
    except ValueError:  # not on the curve
        return None


def _number(item: Mapping[str, Any], name: str) -> int:
    """A Base64urlUInt (RFC 7518 section 2); 0 where it is none, which is no part of any key."""
    value = item.get(name)
    if not isinstance(value, str) or not value.isascii():
        return 0
    try:
        return int.from_bytes(decoded_segment(value))
    except TokenRefused:
        return 0
