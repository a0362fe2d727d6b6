"""The keys that artifacts are verified with.

1. A key is RSA or ECDSA on P-256, as SubjectPublicKeyInfo; in a file, one PEM block ``PUBLIC KEY``.
2. A key that cannot be used is an error. It is never skipped and never counts as "no keys".
3. No keys at all is an error too.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from verifier import _pem
from verifier.errors import (
    KeyDirectoryEmpty,
    KeyInvalid,
    KeyUnreadable,
    KeyUnsupported,
    NoKeys,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

_LARGEST_KEY_FILE_BYTES = 64 * 1024
_SMALLEST_RSA_BITS = 1024
_LARGEST_RSA_BITS = 16384


class KeyAlgorithm(enum.Enum):
    """What a key signs with."""

    RSA = "rsa"
    """RSASSA-PKCS1-v1_5 with SHA-256."""
    ECDSA_P256 = "ecdsa-p256"
    """ECDSA on P-256 with SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """A public key. Two keys are equal when they are the same key, wherever they came from."""

    spki: bytes
    """SubjectPublicKeyInfo in DER."""
    algorithm: KeyAlgorithm
    bits: int
    """Of the RSA modulus, or 256."""
    source: str | None = field(default=None, compare=False)
    """The file it came from, if any."""
    _key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey = field(repr=False, compare=False)

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
        """Read a SubjectPublicKeyInfo in DER; raises ``KeyInvalid`` or ``KeyUnsupported``."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            PublicFormat,
            load_der_public_key,
        )

        try:
            key = load_der_public_key(der)
        except UnsupportedAlgorithm:
            raise KeyUnsupported(source=source, algorithm="unknown") from None
        except (ValueError, TypeError):
            raise KeyInvalid(source=source) from None
        if isinstance(key, rsa.RSAPublicKey):
            algorithm, bits = KeyAlgorithm.RSA, key.key_size
            if not _SMALLEST_RSA_BITS <= bits <= _LARGEST_RSA_BITS:
                raise KeyUnsupported(source=source, algorithm=f"rsa-{bits}")
        elif isinstance(key, ec.EllipticCurvePublicKey):
            algorithm, bits = KeyAlgorithm.ECDSA_P256, key.key_size
            if not isinstance(key.curve, ec.SECP256R1):
                raise KeyUnsupported(source=source, algorithm=key.curve.name)
        else:
            raise KeyUnsupported(source=source, algorithm=type(key).__name__.strip("_").lower())
        # Fingerprints are of one form only: what is not that form (compressed points, BER) is refused.
        if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != der:
            raise KeyInvalid(source=source)
        return cls(spki=bytes(der), algorithm=algorithm, bits=bits, source=source, _key=key)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's over SHA-256 of ``message``: PKCS#1 v1.5, or ECDSA in DER.

        Artifacts hold ECDSA signatures as raw r and s; ``verify_manifest_signature`` knows about that.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            if isinstance(self._key, rsa.RSAPublicKey):
                self._key.verify(signature, message, padding.PKCS1v15(), SHA256())
            else:
                self._key.verify(signature, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The keys that are trusted, in the order they are tried; at least one."""

    keys: tuple[VerificationKey, ...]

    def __post_init__(self) -> None:
        if not self.keys:
            raise NoKeys

    @classmethod
    def from_pem(cls, *pem: bytes) -> TrustStore:
        """Trust keys given as PEM, one each."""
        return cls(tuple(VerificationKey.from_pem(each) for each in pem))

    @classmethod
    def load(cls, paths: Iterable[str | Path]) -> TrustStore:
        """Trust the keys in files, and in all files of directories (sorted by name; not recursively).

        Raises a ``KeyLoadError`` when any of them cannot be read or used. Dot files in directories are left
        out.
        """
        keys: dict[VerificationKey, None] = {}
        for path in paths:
            for file in _files(Path(path)):
                keys.setdefault(VerificationKey.from_pem(_content(file), source=str(file)))
        return cls(tuple(keys))


def _files(path: Path) -> Iterator[Path]:
    try:
        if not path.is_dir():
            yield path
            return
        files = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    except OSError as error:
        raise KeyUnreadable(source=str(path), reason=error.strerror or str(error)) from None
    if not files:
        raise KeyDirectoryEmpty(source=str(path))
    yield from files


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise KeyUnreadable(source=str(path), reason=error.strerror or str(error)) from None
    if len(content) > _LARGEST_KEY_FILE_BYTES:
        raise KeyInvalid(source=str(path))
    return content
