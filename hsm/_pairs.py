"""Makes and removes pairs. Every function works in a read-write session, under the lock that processes share.

A new pair is checked for what was asked of it: a token that made another kind of key, or one that can be taken out,
has it removed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pkcs11 import Attribute, KeyType, MechanismFlag

from hsm._encoding import ED25519_PARAMETERS, P256_PARAMETERS
from hsm._objects import FLAGS, attributes, halves, objects, public_key
from hsm.algorithms import Algorithm
from hsm.errors import AlgorithmUnsupported, KeyExists, KeyNotFound


def generate(session: Any, algorithm: Algorithm, key_id: bytes, label: str) -> bytes:
    """A new pair; returns its DER SubjectPublicKeyInfo."""
    for selector in ({Attribute.ID: key_id}, {Attribute.LABEL: label}):
        if objects(session, selector):
            raise KeyExists(key_id=key_id.hex(), label=label)
    public, private = _made(session, algorithm, key_id, label)
    kind, spki = public_key(public)
    flags = attributes(private, FLAGS)
    reason = ""
    if kind is not algorithm or spki is None:
        reason = "the token made another kind of key"
    elif flags.get(Attribute.EXTRACTABLE, True) or not flags.get(Attribute.SENSITIVE, False):
        reason = "the token made a key that can be taken out"
    if spki is None or reason:
        _destroy((private, public))
        raise AlgorithmUnsupported(algorithm=algorithm, reason=reason)
    return spki


def destroy(session: Any, key_id: bytes) -> None:
    """Remove both halves, the private one first; raises ``KeyNotFound`` where there is neither."""
    found = halves(session, {Attribute.ID: key_id})
    if not found:
        raise KeyNotFound(key_id=key_id.hex())
    _destroy(found)


def _made(session: Any, algorithm: Algorithm, key_id: bytes, label: str) -> tuple[Any, Any]:
    common = {
        "id": key_id,
        "label": label,
        "store": True,
        "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
        "private_template": {
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
        },
    }
    if algorithm.modulus_bits is not None:
        public, private = session.generate_keypair(KeyType.RSA, algorithm.modulus_bits, **common)
        return public, private
    kind, curve = (
        (KeyType.EC, P256_PARAMETERS)
        if algorithm is Algorithm.ECDSA_P256
        else (KeyType.EC_EDWARDS, ED25519_PARAMETERS[0])
    )
    domain = session.create_domain_parameters(kind, {Attribute.EC_PARAMS: curve}, local=True)
    public, private = domain.generate_keypair(**common)
    return public, private


def _destroy(found: Iterable[Any]) -> None:
    for half in found:
        half.destroy()
