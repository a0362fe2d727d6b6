"""Judges signatures by another way than the code under test does."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hsm import SignRequest, TokenError


def verify(request: SignRequest, outcome: bytes | TokenError) -> None:
    """The outcome is a signature over the message of the request, by its key."""
    assert isinstance(outcome, bytes), outcome
    match load_der_public_key(request.key.spki):
        case rsa.RSAPublicKey() as public:
            public.verify(outcome, request.message, padding.PKCS1v15(), SHA256())
        case ec.EllipticCurvePublicKey() as public:
            r, s = (int.from_bytes(part, "big") for part in (outcome[:32], outcome[32:]))
            public.verify(utils.encode_dss_signature(r, s), request.message, ec.ECDSA(SHA256()))
        case ed25519.Ed25519PublicKey() as public:
            public.verify(outcome, request.message)
        case other:
            raise AssertionError(other)
