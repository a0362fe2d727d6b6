"""Private keys for the library's certificate builders that stay in the token: they can sign, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

Sign = Callable[[bytes], bytes]
Buffer = bytes | bytearray | memoryview
TokenPublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
TokenPrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def token_private_key(spki: bytes, sign: Sign) -> TokenPrivateKey:
    """The private half of the DER SubjectPublicKeyInfo ``spki``.

    ``sign`` gets the message and returns PKCS#1 v1.5 over SHA-256, raw r and s over SHA-256, or Ed25519; what it
    raises comes out of the builder as it is.
    """
    public_key = load_der_public_key(spki)
    if isinstance(public_key, rsa.RSAPublicKey):
        return _RsaKey(public_key, sign)
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return _EllipticCurveKey(public_key, sign)
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return _Ed25519Key(public_key, sign)
    raise TypeError(f"no token signs with {type(public_key).__name__}")


def builder_hash(key: TokenPrivateKey) -> hashes.SHA256 | None:
    """The hash that a builder has to be given with this key."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


class _InToken:
    """What a key that stays in its token cannot do."""

    def _refused(self, *_arguments: object, **_options: object) -> NoReturn:
        raise NotImplementedError("the private key stays in the token")

    private_bytes = private_bytes_raw = private_numbers = decrypt = exchange = __copy__ = __deepcopy__ = _refused


class _RsaKey(_InToken, rsa.RSAPrivateKey):
    def __init__(self, public_key: rsa.RSAPublicKey, sign: Sign) -> None:
        self._public_key = public_key
        self._sign = sign

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public_key

    def sign(self, data: Buffer, padding: AsymmetricPadding, algorithm: object) -> bytes:
        if not isinstance(padding, PKCS1v15) or not isinstance(algorithm, hashes.SHA256):
            raise NotImplementedError("the token signs with PKCS#1 v1.5 over SHA-256")
        return self._sign(bytes(data))


class _EllipticCurveKey(_InToken, ec.EllipticCurvePrivateKey):
    def __init__(self, public_key: ec.EllipticCurvePublicKey, sign: Sign) -> None:
        self._public_key = public_key
        self._sign = sign

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        if not isinstance(signature_algorithm.algorithm, hashes.SHA256):
            raise NotImplementedError("the token signs over SHA-256")
        # The token's r and s side by side; certificates hold them as DER (RFC 3279 section 2.2.3).
        raw = self._sign(bytes(data))
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


class _Ed25519Key(_InToken, ed25519.Ed25519PrivateKey):
    def __init__(self, public_key: ed25519.Ed25519PublicKey, sign: Sign) -> None:
        self._public_key = public_key
        self._sign = sign

    def public_key(self) -> ed25519.Ed25519PublicKey:
        return self._public_key

    def sign(self, data: Buffer) -> bytes:
        return self._sign(bytes(data))
