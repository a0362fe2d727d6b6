"""Loads a private key and signs with it. Every function works in one borrowed session.

1. A key is looked up by class and CKA_ID: exactly one, or it is said that there is none, or that there are many.
2. A key that is loaded has the pinned public key, as far as the token shows one: the public object, or for RSA the
   private one. Whatever the token shows, the signature is verified by the parent.
3. The mechanism follows from the kind of key and from what the token offers, never from the caller.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from pkcs11 import Attribute, Mechanism, ObjectClass

from hsm.algorithms import Algorithm
from hsm.encoding import SHA256_DIGEST_INFO
from hsm.errors import AlgorithmUnsupported, KeyAmbiguous, KeyMismatch, KeyNotFound
from hsm.protocol.signing import DIGEST, MESSAGE, KeyReference, PayloadKind
from hsm.worker.objects import attributes, objects, public_key

_RSA = (Mechanism.RSA_PKCS, Mechanism.SHA256_RSA_PKCS)
_WITHOUT_INFO = Mechanism.RSA_PKCS  # the token does not say which digest it is (RFC 8017 section 9.2)
_SCHEMES: dict[Algorithm, tuple[Mechanism | None, Mechanism]] = {
    Algorithm.ECDSA_P256: (Mechanism.ECDSA, Mechanism.ECDSA_SHA256),
    Algorithm.ED25519: (None, Mechanism.EDDSA),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a kind of key signs here: with which mechanism over a digest, or over a message; None: not at all."""

    by_digest: Mechanism | None
    by_message: Mechanism | None


def plan(algorithm: Algorithm, offered: frozenset[int]) -> Plan:
    """The mechanisms for ``algorithm`` among those that the token offers."""
    by_digest, by_message = _SCHEMES.get(algorithm, _RSA)
    return Plan(
        by_digest=by_digest if by_digest in offered else None,
        by_message=by_message if by_message in offered else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A loaded private key."""

    key: Any
    algorithm: Algorithm
    plan: Plan

    def sign(self, kind: PayloadKind, payload: bytes) -> bytes:
        """The signature as the token gives it."""
        if kind is MESSAGE and self.plan.by_message is None:
            kind, payload = DIGEST, hashlib.sha256(payload).digest()
        mechanism = self.plan.by_digest if kind is DIGEST else self.plan.by_message
        if mechanism is None:
            raise AlgorithmUnsupported(algorithm=self.algorithm, reason="no mechanism for it")
        if mechanism is _WITHOUT_INFO:
            payload = SHA256_DIGEST_INFO + payload
        return bytes(self.key.sign(payload, mechanism=mechanism))


def load(session: Any, key: KeyReference, offered: frozenset[int]) -> Signer:
    """The private key that ``key`` names; raises ``KeyNotFound``, ``KeyAmbiguous`` or ``KeyMismatch``."""
    private = _only(session, ObjectClass.PRIVATE_KEY, key.key_id)
    publics = objects(session, {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: key.key_id})
    if len(publics) > 1:
        raise KeyAmbiguous(key_id=key.key_id.hex(), count=len(publics), reason="public keys")
    for key_object in (*publics, private):
        _, spki = public_key(key_object)
        if spki is not None and hashlib.sha256(spki).digest() != key.digest:
            raise KeyMismatch(
                key_id=key.key_id.hex(), expected=key.digest.hex(), actual=hashlib.sha256(spki).hexdigest()
            )
    unusable = ""
    if not hasattr(private, "sign"):
        unusable = "CKA_SIGN is false"
    elif attributes(private, (Attribute.ALWAYS_AUTHENTICATE,)).get(Attribute.ALWAYS_AUTHENTICATE):
        unusable = "CKA_ALWAYS_AUTHENTICATE is true"
    if unusable:
        raise AlgorithmUnsupported(key_id=key.key_id.hex(), algorithm=key.algorithm, reason=unusable)
    return Signer(key=private, algorithm=key.algorithm, plan=plan(key.algorithm, offered))


def _only(session: Any, kind: ObjectClass, key_id: bytes) -> Any:
    found = objects(session, {Attribute.CLASS: kind, Attribute.ID: key_id})
    if not found:
        raise KeyNotFound(key_id=key_id.hex())
    if len(found) > 1:
        raise KeyAmbiguous(key_id=key_id.hex(), count=len(found))
    return found[0]
