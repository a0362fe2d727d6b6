"""The keys that artifacts are verified with.

1. A key is RSA or ECDSA on P-256, as SubjectPublicKeyInfo; in a file, one PEM block ``PUBLIC KEY``.
2. A key that cannot be used is an error. It is never skipped and never counts as "no keys".
3. No keys at all is an error too.
"""

# ruff: noqa: PTH112, PTH118, PTH208 - importing pathlib costs start-up time

from __future__ import annotations

import enum
import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from verifier import _pem, _spki
from verifier._record import Record
from verifier._small_file import LONGEST_SECONDS, read_bounded
from verifier.errors import (
    KeyDirectoryEmpty,
    KeyInvalid,
    KeyPointCompressed,
    KeyUnreadable,
    KeyUnsupported,
    NoKeys,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    _PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_LARGEST_KEY_FILE_BYTES = 64 * 1024
_SMALLEST_RSA_BITS = 1024
_LARGEST_RSA_BITS = 16384
# Go clients refuse larger ones.
_LARGEST_RSA_EXPONENT = (1 << 31) - 1
_P256_BITS = 256


class KeyAlgorithm(enum.Enum):
    """What a key signs with."""

    RSA = "rsa"
    """RSASSA-PKCS1-v1_5 with SHA-256."""
    ECDSA_P256 = "ecdsa-p256"
    """ECDSA on P-256 with SHA-256."""


class VerificationKey(Record):
    """A public key. Two keys are equal when they are the same key, wherever they came from."""

    spki: bytes
    """SubjectPublicKeyInfo in DER."""
    algorithm: KeyAlgorithm
    bits: int
    """Of the RSA modulus, or 256."""
    source: str | None = None
    """The file it came from, if any."""
    _key: _PublicKey

    def __eq__(self, other: object) -> bool:
        return self.spki == other.spki if isinstance(other, VerificationKey) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.spki)

    def __repr__(self) -> str:
        return f"VerificationKey({self.algorithm.value}, bits={self.bits}, sha256={self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """Lowercase hex SHA-256 of ``spki``."""
        return hashlib.sha256(self.spki).hexdigest()

    @classmethod
    def from_pem(cls, pem: bytes, *, source: str | None = None) -> VerificationKey:
        """Read one PEM block ``PUBLIC KEY``; raises a ``KeyLoadError``."""
        return cls.from_spki(_pem.public_key_der(pem, source=source), source=source)

    @classmethod
    def from_spki(cls, der: bytes, *, source: str | None = None) -> VerificationKey:
        """Read a SubjectPublicKeyInfo in DER; raises ``KeyInvalid``, ``KeyPointCompressed`` or ``KeyUnsupported``."""
        try:
            numbers = _spki.parse(der)
            if isinstance(numbers, bytes):
                algorithm, bits = KeyAlgorithm.ECDSA_P256, _P256_BITS
                key: _PublicKey = _p256_key(numbers)
            else:
                algorithm, bits = KeyAlgorithm.RSA, numbers[0].bit_length()
                key = _rsa_key(*numbers)
        except _spki.OtherAlgorithmError as error:
            raise KeyUnsupported(source=source, algorithm=str(error)) from None
        except _spki.CompressedPointError:
            raise KeyPointCompressed(source=source) from None
        except ValueError:
            raise KeyInvalid(source=source) from None
        return cls(spki=bytes(der), algorithm=algorithm, bits=bits, source=source, _key=key)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's over SHA-256 of ``message``: PKCS#1 v1.5, or ECDSA in DER.

        Artifacts hold ECDSA signatures as raw r and s; ``verify_manifest_signature`` knows about that.
        """
        from cryptography.exceptions import InvalidSignature

        try:
            if self.algorithm is KeyAlgorithm.RSA:
                from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
                from cryptography.hazmat.primitives.hashes import SHA256

                cast("rsa.RSAPublicKey", self._key).verify(signature, message, PKCS1v15(), SHA256())
            else:
                from verifier._ecdsa import EcdsaSha256

                cast("ec.EllipticCurvePublicKey", self._key).verify(signature, message, EcdsaSha256())
        except InvalidSignature:
            return False
        return True


class TrustStore(Record):
    """The keys that are trusted, in the order they are tried; at least one."""

    keys: tuple[VerificationKey, ...]

    def __init__(self, keys: tuple[VerificationKey, ...]) -> None:
        if not keys:
            raise NoKeys
        super().__init__(keys=keys)

    @classmethod
    def from_pem(cls, *pem: bytes) -> TrustStore:
        """Trust keys given as PEM, one each."""
        return cls(tuple(VerificationKey.from_pem(each) for each in pem))

    @classmethod
    def load(cls, paths: Iterable[str | os.PathLike[str]]) -> TrustStore:
        """Trust the keys in files, and in all files of directories (sorted by name; not recursively).

        Raises a ``KeyLoadError`` when any of them cannot be read or used, or is a pipe that nobody writes to its end
        in ten seconds. Dot files in directories are left out; what else lies there has to be a regular file.
        """
        keys: dict[VerificationKey, None] = {}
        for path in paths:
            name = os.fspath(path)
            in_directory = os.path.isdir(name)
            for file in _files(name) if in_directory else (name,):
                content = _content(file, regular=in_directory)
                keys.setdefault(VerificationKey.from_pem(content, source=file))
        return cls(tuple(keys))


def _rsa_key(modulus: int, exponent: int) -> rsa.RSAPublicKey:
    from cryptography.hazmat.primitives.asymmetric import rsa

    bits = modulus.bit_length()
    if not _SMALLEST_RSA_BITS <= bits <= _LARGEST_RSA_BITS:
        raise _spki.OtherAlgorithmError(f"rsa-{bits}")
    if exponent > _LARGEST_RSA_EXPONENT:
        raise _spki.OtherAlgorithmError(f"rsa-{bits} with an exponent over {_LARGEST_RSA_EXPONENT}")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _p256_key(point: _spki.P256Point) -> ec.EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def _files(path: str) -> Iterator[str]:
    try:
        names = sorted(name for name in os.listdir(path) if not name.startswith("."))
    except OSError as error:
        raise KeyUnreadable(source=path, reason=error.strerror or str(error)) from None
    if not names:
        raise KeyDirectoryEmpty(source=path)
    for name in names:
        yield os.path.join(path, name)


def _content(path: str, *, regular: bool) -> bytes:
    try:
        content = read_bounded(
            path, most_bytes=_LARGEST_KEY_FILE_BYTES + 1, most_seconds=LONGEST_SECONDS, regular=regular
        )
    except OSError as error:
        raise KeyUnreadable(source=path, reason=error.strerror or str(error)) from None
    if len(content) > _LARGEST_KEY_FILE_BYTES:
        raise KeyInvalid(source=path)
    return content
