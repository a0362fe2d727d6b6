"""What Vault's clients ask for, as far as it is done here; everything else is refused by name.

Artifacts are verified with SHA-256, and RSA signatures with PKCS#1 v1.5: where a client names neither, Vault would take
PSS, so it is refused and not guessed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from hsm.algorithms import Algorithm
from signer.domain.dialects import DIGEST_BYTES, Marshaling, decoded
from signer.domain.keys import Key
from signer.errors.blind import DialectValueInvalid
from signer.web.dialect_documents import VaultBody, VaultSignBody

HASH = "sha2-256"
RSA_SCHEME = "pkcs1v15"
DIGEST_IN_BASE64 = "a SHA-256 digest in base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOrder:
    """Digests, each with the reference of its item; ``batch``: whether they came as one."""

    digests: tuple[bytes, ...]
    references: tuple[str | None, ...]
    batch: bool
    version: int | None
    marshaling: Marshaling


def sign_order(body: VaultSignBody, key: Key, path_hash: str | None) -> SignOrder:
    """What is to be signed; raises ``DialectValueInvalid``."""
    marshaling = checked_scheme(body, key, path_hash)
    if (body.input is None) is (body.batch_input is None):
        raise DialectValueInvalid(parameter="input", allowed=("given, or batch_input instead of it",))
    items = body.batch_input or ()
    inputs = [body.input] if body.input is not None else [item.input for item in items]
    return SignOrder(
        digests=tuple(digest_of(each, prehashed=body.prehashed) for each in inputs),
        references=tuple(item.reference for item in items) or (None,),
        batch=body.input is None,
        version=body.key_version or None,
        marshaling=marshaling,
    )


def checked_scheme(body: VaultBody, key: Key, path_hash: str | None) -> Marshaling:
    """How signatures are written, where all that is asked for is done; raises ``DialectValueInvalid``."""
    if body.name not in (None, key.name):
        raise DialectValueInvalid(parameter="name", allowed=(key.name,))
    for name in (path_hash, body.hash_algorithm, body.algorithm):
        if name not in (None, HASH):
            raise DialectValueInvalid(parameter="hash_algorithm", allowed=(HASH,))
    if key.algorithm is not Algorithm.ECDSA_P256 and body.signature_algorithm != RSA_SCHEME:
        raise DialectValueInvalid(parameter="signature_algorithm", allowed=(RSA_SCHEME,))
    if body.marshaling_algorithm not in tuple(Marshaling):
        raise DialectValueInvalid(parameter="marshaling_algorithm", allowed=tuple(Marshaling))
    return Marshaling(body.marshaling_algorithm)


def digest_of(text: str, *, prehashed: bool) -> bytes:
    """The digest, or that of what came; raises ``DialectValueInvalid``."""
    content = decoded(text)
    if content is None:
        raise DialectValueInvalid(parameter="input", allowed=("base64",))
    if not prehashed:
        return hashlib.sha256(content).digest()
    if len(content) != DIGEST_BYTES:
        raise DialectValueInvalid(parameter="input", allowed=(DIGEST_IN_BASE64,))
    return content
