"""The signing algorithms that a key can have, and their fixed sizes."""

from __future__ import annotations

from enum import StrEnum


class Algorithm(StrEnum):
    """A key's kind and size; each has exactly one signature scheme.

    ``ecdsa-p256``: SHA-256, raw r‖s of 64 bytes. ``rsa-*``: RSASSA-PKCS1-v1_5 with SHA-256, as long as the modulus.
    ``ed25519``: pure Ed25519 over the message itself, 64 bytes.
    """

    ECDSA_P256 = "ecdsa-p256"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    ED25519 = "ed25519"

    @property
    def modulus_bits(self) -> int | None:
        """The RSA modulus length in bits; None for the others."""
        return _MODULUS_BITS.get(self)

    @property
    def signature_size(self) -> int:
        """Length of every signature, in bytes."""
        bits = self.modulus_bits
        return 64 if bits is None else bits // 8


_MODULUS_BITS = {Algorithm.RSA_2048: 2048, Algorithm.RSA_3072: 3072, Algorithm.RSA_4096: 4096}
