"""The public keys that tokens of users and devices verify with, as a process last read them.

1. Only versions that sign or signed before: one that is switched off or in quarantine verifies nothing any more.
2. A token is for the key whose header stands in it, byte for byte: the algorithm is the key's, and nothing in the token
   chooses another one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from signer.domain.jwks import key_set
from signer.domain.keys import Key, KeyVersion, VersionState
from signer.domain.token_claims import JWS_ALGORITHMS, TokenHeader, TokenKind, encoded_header, kid_of

VERIFYING = frozenset({VersionState.ACTIVE, VersionState.PREVIOUS})
PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPublicKey:
    """A version that tokens verify with.

    Attributes:
        algorithm: as a JWS names it.
        name, version: of the key.
    """

    public: PublicKey
    algorithm: str
    kid: str
    name: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPublicKeys:
    """All of them by kind and encoded header.

    Attributes:
        sets: as JSON, with those that will verify soon.
        revision: of access, which they are no older than.
    """

    by_header: Mapping[tuple[TokenKind, str], TokenPublicKey]
    sets: Mapping[TokenKind, bytes]
    revision: int

    def with_algorithm(self, kind: TokenKind, algorithm: str) -> list[TokenPublicKey]:
        """Those of a kind that sign so."""
        return [key for (each, _), key in self.by_header.items() if each is kind and key.algorithm == algorithm]

    @classmethod
    def of(cls, keys: Collection[Key], revision: int) -> TokenPublicKeys:
        """What these keys are for."""
        found: dict[tuple[TokenKind, str], TokenPublicKey] = {}
        of_kind = {kind: [key for key in keys if key.purpose is kind.purpose] for kind in TokenKind}
        for kind, mine in of_kind.items():
            for key in mine:
                found |= {(kind, _header(each)): each for each in _versions(key)}
        sets = {kind: key_set(mine) for kind, mine in of_kind.items()}
        return cls(by_header=MappingProxyType(found), sets=MappingProxyType(sets), revision=revision)


def _versions(key: Key) -> list[TokenPublicKey]:
    return [_public_key(key, version) for version in key.versions if version.state in VERIFYING]


def _public_key(key: Key, version: KeyVersion) -> TokenPublicKey:
    public = load_der_public_key(version.spki or b"")
    if not isinstance(public, PublicKey):
        raise TypeError("a key that signs no tokens")
    return TokenPublicKey(
        public=public,
        algorithm=JWS_ALGORITHMS[key.algorithm],
        kid=kid_of(version.fingerprint or ""),
        name=key.name,
        version=version.number,
    )


def _header(key: TokenPublicKey) -> str:
    return encoded_header(TokenHeader(algorithm=key.algorithm, kid=key.kid))
