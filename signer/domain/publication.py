"""What is published of keys: public halves in the one form that all Mender clients read."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key


def public_key_pem(spki: bytes) -> bytes:
    """A DER SubjectPublicKeyInfo as PEM (``BEGIN PUBLIC KEY``)."""
    return load_der_public_key(spki).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
