"""What is published of keys: public halves in the one form that all Mender clients read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from signer.domain.keys import Key, KeyVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion:
    """A version that a device should trust now; ``pem``: its public key, one block ``PUBLIC KEY``."""

    version: KeyVersion
    pem: bytes


def public_key_pem(spki: bytes) -> bytes:
    """A DER SubjectPublicKeyInfo as PEM (``BEGIN PUBLIC KEY``)."""
    return load_der_public_key(spki).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def published(key: Key, *, now: datetime) -> tuple[PublishedVersion, ...]:
    """The versions that a device should trust at ``now``, oldest first: trusted ones, not past their not-after."""
    return tuple(
        PublishedVersion(version=version, pem=public_key_pem(version.spki))
        for version in key.trusted
        if version.spki is not None and (version.validity.not_after is None or now <= version.validity.not_after)
    )
