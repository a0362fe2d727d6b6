"""Takes a key pair from outside into the token, in a read-write session, under the lock that processes share.

1. The private half is wrapped with an AES key that lives as long as the session (RFC 5649), and the token unwraps it:
   sensitive, not extractable and for signatures only, from its first moment. A token that does not unwrap takes none.
2. Ed25519 is the exception: tokens that unwrap other keys (SoftHSM 2.6) have no decoder for it. There the object is
   made with the same attributes; the scalar has been in this process either way.
3. The public half comes first. What a crash leaves is then nothing, a public half that signs nothing, or the pair.
4. What counts is what the pair shows afterwards: one that is not as it should be is removed again.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11 import exceptions as p11
from pkcs11.constants import DEFAULT

from hsm.algorithms import Algorithm
from hsm.encoding import ED25519_PARAMETERS, P256_PARAMETERS
from hsm.errors import AlgorithmUnsupported, ImportUnsupported, KeyExists
from hsm.types import KeyMaterial
from hsm.worker.key_pairs import only_signs, remove
from hsm.worker.objects import attributes, key_objects, objects, public_key
from hsm.worker.return_values import REQUEST, UNSAID

Template = dict[Attribute, Any]

# By preference. SoftHSM's AES_KEY_WRAP_PAD is RFC 5649 as well.
MECHANISMS = (Mechanism.AES_KEY_WRAP_KWP, Mechanism.AES_KEY_WRAP_PAD)
WRAPPING_KEY_BYTES = 32
ATTEMPTS = 2
# While another process opens it, a software token now and then makes no object, or one without what it was given.
PASSING = (*UNSAID, AlgorithmUnsupported)
_OCTET_STRING = 4
_KINDS = {Algorithm.ECDSA_P256: KeyType.EC, Algorithm.ED25519: KeyType.EC_EDWARDS}
_PUBLIC: Template = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.PRIVATE: False, Attribute.VERIFY: True}
_PRIVATE: Template = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
    **dict.fromkeys((Attribute.DECRYPT, Attribute.UNWRAP, Attribute.DERIVE, Attribute.SIGN_RECOVER), False),
}
# The library names these by itself, and a private key has none of them.
_LEFT_OUT: Template = dict.fromkeys((Attribute.ENCRYPT, Attribute.WRAP, Attribute.VERIFY), DEFAULT)
_WRAPPING: Template = {
    Attribute.CLASS: ObjectClass.SECRET_KEY,
    Attribute.KEY_TYPE: KeyType.AES,
    Attribute.TOKEN: False,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.UNWRAP: True,
}


def take(session: Any, key: KeyMaterial, key_id: bytes, label: str, offered: Collection[int]) -> None:
    """Make both halves part of the token; ``offered``: its mechanisms.

    Raises ``KeyExists``, ``ImportUnsupported`` or ``AlgorithmUnsupported``, and what the token raises; the token holds
    nothing new then, unless it fails at removing as well.
    """
    mechanism = next((each for each in MECHANISMS if each in offered), None)
    if mechanism is None:
        raise ImportUnsupported(algorithm=key.algorithm, reason="it has no mechanism that unwraps keys")
    names: Template = {Attribute.ID: key_id, Attribute.LABEL: label}
    for name, value in names.items():
        if objects(session, {name: value}):
            raise KeyExists(key_id=key_id.hex(), label=label)
    for left in reversed(range(ATTEMPTS)):
        try:
            _taken(session, key, names, mechanism)
        except BaseException as fault:
            remove(key_objects(session, {Attribute.ID: key_id}))
            if not left or not isinstance(fault, PASSING):
                raise
        else:
            return


def _taken(session: Any, key: KeyMaterial, names: Template, mechanism: Mechanism) -> None:
    common = {Attribute.KEY_TYPE: _KINDS.get(key.algorithm, KeyType.RSA), Attribute.TOKEN: True, **names}
    public = session.create_object({**common, **_PUBLIC, **_public_numbers(key.spki)})
    private = _unwrapped(session, key, common, mechanism)
    shown = [attributes(each, names) for each in (public, private)]
    if shown != [names, names] or public_key(public) != (key.algorithm, key.spki) or not only_signs(private):
        raise AlgorithmUnsupported(
            algorithm=key.algorithm, reason="the token makes of it no key that stays inside and only signs"
        )


def _unwrapped(session: Any, key: KeyMaterial, common: Template, mechanism: Mechanism) -> Any:
    secret = secrets.token_bytes(WRAPPING_KEY_BYTES)
    try:
        wrapping = session.create_object({**_WRAPPING, Attribute.VALUE: secret})
    except REQUEST as fault:
        raise ImportUnsupported(algorithm=key.algorithm, reason="it takes no key to unwrap with") from fault
    try:
        return wrapping.unwrap_key(
            ObjectClass.PRIVATE_KEY,
            common[Attribute.KEY_TYPE],
            aes_key_wrap_with_padding(secret, key.private),
            id=common[Attribute.ID],
            label=common[Attribute.LABEL],
            mechanism=mechanism,
            store=True,
            capabilities=MechanismFlag.SIGN,
            template={**_PRIVATE, **_LEFT_OUT},
        )
    except (*REQUEST, p11.FunctionFailed) as fault:
        if key.algorithm is Algorithm.ED25519:
            return session.create_object({**common, **_PRIVATE, **_edwards_numbers(key.private)})
        if isinstance(fault, p11.FunctionFailed):
            raise
        raise ImportUnsupported(algorithm=key.algorithm, reason="it does not unwrap private keys") from fault
    finally:
        with suppress(p11.PKCS11Error):  # it ends with its session at the latest
            wrapping.destroy()


def _public_numbers(spki: bytes) -> Template:
    match load_der_public_key(spki):
        case rsa.RSAPublicKey() as key:
            numbers = key.public_numbers()
            return {
                Attribute.MODULUS: numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big"),
                Attribute.PUBLIC_EXPONENT: numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big"),
            }
        case ec.EllipticCurvePublicKey() as key:
            point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            return {Attribute.EC_PARAMS: P256_PARAMETERS, Attribute.EC_POINT: _octet_string(point)}
        case ed25519.Ed25519PublicKey() as key:
            point = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
            return {Attribute.EC_PARAMS: ED25519_PARAMETERS[0], Attribute.EC_POINT: _octet_string(point)}
    raise AlgorithmUnsupported(reason="a kind of key that is not used here")


def _edwards_numbers(private: bytes) -> Template:
    key = load_der_private_key(private, None)
    scalar = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.EC_PARAMS: ED25519_PARAMETERS[0],
        Attribute.VALUE: scalar,
    }


def _octet_string(point: bytes) -> bytes:
    """PKCS#11 v2.40 section 2.3.3; points that are used here are shorter than 128 bytes."""
    return bytes((_OCTET_STRING, len(point))) + point
