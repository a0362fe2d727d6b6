"""Verifies every signature with the pinned public key before anybody sees it."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hsm.algorithms import Algorithm
from hsm.encoding import SCALAR_SIZE, EncodingError, normalised
from hsm.errors import ConfigurationError, SignatureMismatch
from hsm.types import PinnedKey

MAX_CACHED = 4096
PREHASHED = utils.Prehashed(SHA256())
ECDSA = ec.ECDSA(PREHASHED)
PKCS1 = padding.PKCS1v15()

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class SignatureCheck:
    """Public keys by their pin, parsed once."""

    def __init__(self) -> None:
        self._keys: dict[bytes, PublicKey] = {}

    def verified(self, key: PinnedKey, *, signed: bytes, signature: bytes) -> bytes:
        """``signature`` in the form of its algorithm. ``signed``: the SHA-256 digest, for Ed25519 the message.

        Raises ``SignatureMismatch``.
        """
        public = self._keys.get(key.digest) or self._parsed(key)
        try:
            signature = normalised(key.algorithm, signature)
            match public:
                case rsa.RSAPublicKey():
                    public.verify(signature, signed, PKCS1, PREHASHED)
                case ec.EllipticCurvePublicKey():
                    public.verify(_der(signature), signed, ECDSA)
                case ed25519.Ed25519PublicKey():
                    public.verify(signature, signed)
        except (InvalidSignature, EncodingError):
            raise SignatureMismatch(key_id=key.key_id.hex()) from None
        return signature

    def _parsed(self, key: PinnedKey) -> PublicKey:
        """The pinned key, which has to be what it says it is."""
        try:
            public = load_der_public_key(key.spki)
        except ValueError:
            raise _unusable(key) from None
        match public:
            case rsa.RSAPublicKey(key_size=bits) if bits == key.algorithm.modulus_bits:
                pass
            case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()) if key.algorithm is Algorithm.ECDSA_P256:
                pass
            case ed25519.Ed25519PublicKey() if key.algorithm is Algorithm.ED25519:
                pass
            case _:
                raise _unusable(key)
        if len(self._keys) >= MAX_CACHED:
            self._keys.clear()
        self._keys[key.digest] = public
        return public


def _der(signature: bytes) -> bytes:
    r, s = signature[:SCALAR_SIZE], signature[SCALAR_SIZE:]
    return utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


def _unusable(key: PinnedKey) -> ConfigurationError:
    return ConfigurationError(setting="key", reason=f"the public key is not of the kind {key.algorithm.value}")
