"""Makes and removes key pairs. Every function works in a read-write session, under the lock that processes share.

Tokens disagree about what a template may say: some want every use forbidden by name, others refuse to be told. So the
templates are tried in turn: one that forbids every other use by name, one that leaves uses out, and once more the
first, which may have failed for a passing reason: while another process opens it, a software token now and then makes
no key, or one without the name or the sensitivity that it was given. What counts is what the new key shows: one that
cannot be found, can be taken out, or does anything but sign, is removed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pkcs11 import Attribute, KeyType, MechanismFlag
from pkcs11 import exceptions as p11
from pkcs11.constants import DEFAULT

from hsm.algorithms import Algorithm
from hsm.encoding import ED25519_PARAMETERS, P256_PARAMETERS
from hsm.errors import AlgorithmUnsupported, KeyExists, KeyNotFound
from hsm.worker.objects import attributes, key_objects, objects, public_key

Templates = tuple[dict[Attribute, Any], dict[Attribute, Any]]

SIGN_ONLY = MechanismFlag.SIGN | MechanismFlag.VERIFY
_SECRET = {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
_PRIVATE_USES = (Attribute.DECRYPT, Attribute.UNWRAP, Attribute.DERIVE)
_PUBLIC_USES = (Attribute.ENCRYPT, Attribute.WRAP, Attribute.VERIFY)
_PRIVATE_LEFT_OUT: dict[Attribute, Any] = dict.fromkeys(_PRIVATE_USES, DEFAULT)
_PUBLIC_LEFT_OUT: dict[Attribute, Any] = dict.fromkeys(_PUBLIC_USES, DEFAULT)
# (public, private)
STRICT: Templates = ({}, {**_SECRET, Attribute.SIGN_RECOVER: False})
PARTIAL: Templates = (_PUBLIC_LEFT_OUT, {**_SECRET, **_PRIVATE_LEFT_OUT})
_NAMES = (Attribute.ID, Attribute.LABEL)
_REQUIRED = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.SIGN: True}
_FORBIDDEN = (Attribute.DECRYPT, Attribute.UNWRAP, Attribute.DERIVE, Attribute.SIGN_RECOVER)


def generate(session: Any, algorithm: Algorithm, key_id: bytes, label: str) -> bytes:
    """A new key pair; returns its DER SubjectPublicKeyInfo."""
    for selector in ({Attribute.ID: key_id}, {Attribute.LABEL: label}):
        if objects(session, selector):
            raise KeyExists(key_id=key_id.hex(), label=label)
    refused: p11.PKCS11Error | None = None
    made = False
    for templates in (STRICT, PARTIAL, STRICT):
        try:
            public, private = _made(session, algorithm, key_id, label, templates)
        except p11.PKCS11Error as fault:
            refused = refused or fault
            remove(key_objects(session, {Attribute.ID: key_id}))
            continue
        made = True
        kind, spki = public_key(public)
        named = all(_is_named(each, key_id, label) for each in (private, public))
        if kind is algorithm and spki is not None and named and only_signs(private):
            return spki
        remove((private, public))
    if refused is not None and not made:
        raise refused
    raise AlgorithmUnsupported(algorithm=algorithm, reason="the token makes no key that stays inside and only signs")


def destroy(session: Any, key_id: bytes) -> None:
    """Remove both key objects, the private one first; raises ``KeyNotFound`` where there is neither."""
    found = key_objects(session, {Attribute.ID: key_id})
    if not found:
        raise KeyNotFound(key_id=key_id.hex())
    remove(found)


def _made(
    session: Any,
    algorithm: Algorithm,
    key_id: bytes,
    label: str,
    templates: Templates,
) -> tuple[Any, Any]:
    public_template, private_template = templates
    common = {
        "id": key_id,
        "label": label,
        "store": True,
        "capabilities": SIGN_ONLY,
        "public_template": public_template,
        "private_template": private_template,
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


def _is_named(key_object: Any, key_id: bytes, label: str) -> bool:
    return attributes(key_object, _NAMES) == {Attribute.ID: key_id, Attribute.LABEL: label}


def only_signs(private: Any) -> bool:
    """Whether it shows that it stays inside and does nothing but sign."""
    shown = attributes(private, (*_REQUIRED, *_FORBIDDEN))
    required = all(shown.get(name) is value for name, value in _REQUIRED.items())
    return required and not any(shown.get(name) for name in _FORBIDDEN)


def remove(found: Iterable[Any]) -> None:
    """Destroy these objects, in order."""
    for key_object in found:
        key_object.destroy()
