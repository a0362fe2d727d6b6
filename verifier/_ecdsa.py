"""ECDSA with SHA-256, to verify with."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256


class EcdsaSha256(ECDSA):
    """What ``ECDSA(SHA256())`` says to ``verify``, which asks for the hash and nothing else.

    The library's constructor also asks whether deterministic *signing* is there. For that it imports its whole
    OpenSSL backend, which takes a tenth of the time of a command that checks a small artifact.
    """

    def __init__(self) -> None:
        pass  # nothing to ask, and nothing to keep

    @property
    def algorithm(self) -> SHA256:
        """The hash."""
        return SHA256()
