"""Looks into a token: public keys, attributes, key pairs. Every function works in one borrowed session.

A pair is what shares a CKA_ID. Tokens differ in what they show and in how they refuse to show it; what is not shown
is None or False here, and never guessed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11 import exceptions as p11

from hsm.algorithms import Algorithm
from hsm.encoding import EncodingError, ec_spki, edwards_spki, rsa_spki
from hsm.errors import AlgorithmUnsupported
from hsm.types import TokenKey

MAX_OBJECTS = 10_000
PROGRESS = 64  # objects that are looked at between two signs of life
MAX_TEXT = 1024  # characters of a label that somebody else has given
FLAGS = (
    Attribute.EXTRACTABLE,
    Attribute.SENSITIVE,
    Attribute.ALWAYS_SENSITIVE,
    Attribute.LOCAL,
    Attribute.SIGN,
)
_NAMES = (Attribute.ID, Attribute.LABEL)
_PUBLIC = (
    Attribute.KEY_TYPE,
    Attribute.MODULUS,
    Attribute.PUBLIC_EXPONENT,
    Attribute.EC_PARAMS,
    Attribute.EC_POINT,
)
_HIDDEN = (p11.AttributeTypeInvalid, p11.AttributeSensitive, p11.FunctionFailed, p11.AttributeValueInvalid)
_MALFORMED = (ValueError, IndexError, struct.error)


def find(session: Any, *, key_id: bytes | None = None, label: str | None = None) -> Iterator[TokenKey]:
    """Key pairs and single key objects with this CKA_ID or label; a pair is what shares a CKA_ID."""
    template: dict[Attribute, Any] = {}
    if key_id is not None:
        template[Attribute.ID] = key_id
    if label is not None:
        template[Attribute.LABEL] = label
    for identity, name in dict.fromkeys(map(_group, key_objects(session, template))):
        selector = {Attribute.ID: identity} if identity else {Attribute.LABEL: name}
        yield from _key_pairs([item for item in key_objects(session, selector) if _group(item) == (identity, name)])


def listing(session: Any) -> Iterator[TokenKey | None]:
    """All key pairs and single key objects, from two searches. None, now and then: it goes on, with nothing found yet.

    Its cost grows with the number of objects, not with its square.
    """
    groups: dict[tuple[bytes, str], list[Any]] = {}
    for number, item in enumerate(key_objects(session, {})):
        groups.setdefault(_group(item), []).append(item)
        if number % PROGRESS == 0:
            yield None
    for found in groups.values():
        yield from _key_pairs(found)


def _group(key_object: Any) -> tuple[bytes, str]:
    """What a pair shares: the CKA_ID, or the label where there is none."""
    names = attributes(key_object, _NAMES)
    identity = names.get(Attribute.ID, b"")
    return identity, "" if identity else names.get(Attribute.LABEL, "")


def public_key(key_object: Any) -> tuple[Algorithm | None, bytes | None]:
    """Algorithm and SubjectPublicKeyInfo, as far as this key object shows them."""
    known = attributes(key_object, _PUBLIC)
    modulus, exponent = known.get(Attribute.MODULUS), known.get(Attribute.PUBLIC_EXPONENT)
    parameters, point = known.get(Attribute.EC_PARAMS), known.get(Attribute.EC_POINT)
    try:
        match known.get(Attribute.KEY_TYPE):
            case KeyType.RSA if modulus and exponent:
                return rsa_spki(modulus, exponent)
            case KeyType.EC if parameters and point:
                return ec_spki(parameters, point)
            case KeyType.EC_EDWARDS if parameters and point:
                return edwards_spki(parameters, point)
    except EncodingError:
        return None, None
    return None, None


def attributes(found: Any, wanted: Iterable[Attribute]) -> dict[Attribute, Any]:
    """The attributes that the token shows; one by one where it refuses them together."""
    names = list(wanted)
    try:
        return dict(found.get_attributes(names))
    except (*_HIDDEN, *_MALFORMED):
        shown = {}
    for name in names:
        try:
            shown[name] = found[name]
        except (*_HIDDEN, *_MALFORMED):
            continue
    return shown


def objects(session: Any, selector: dict[Attribute, Any]) -> list[Any]:
    """All objects with these attributes."""
    found = []
    for item in session.get_objects(selector):
        found.append(item)
        if len(found) > MAX_OBJECTS:
            raise AlgorithmUnsupported(reason=f"more than {MAX_OBJECTS} objects")
    return found


def key_objects(session: Any, selector: dict[Attribute, Any]) -> list[Any]:
    """Private and then public keys with these attributes."""
    kinds = (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
    return [key_object for kind in kinds for key_object in objects(session, {Attribute.CLASS: kind, **selector})]


def _key_pairs(found: list[Any]) -> Iterator[TokenKey]:
    """One pair where there is at most one of each kind, else each key object for itself."""
    privates = [key_object for key_object in found if key_object.object_class is ObjectClass.PRIVATE_KEY]
    publics = [key_object for key_object in found if key_object.object_class is ObjectClass.PUBLIC_KEY]
    if len(privates) <= 1 and len(publics) <= 1:
        yield _token_key(next(iter(privates), None), next(iter(publics), None))
        return
    yield from (_token_key(key_object, None) for key_object in privates)
    if not privates:
        yield from (_token_key(None, key_object) for key_object in publics)


def _token_key(private: Any | None, public: Any | None) -> TokenKey:
    shown = private if private is not None else public
    names = attributes(shown, _NAMES)
    flags = attributes(private, FLAGS) if private is not None else {}
    algorithm, spki = public_key(public) if public is not None else (None, None)
    if spki is None and private is not None:
        algorithm, spki = public_key(private)
    return TokenKey(
        key_id=names.get(Attribute.ID, b""),
        label=names.get(Attribute.LABEL, "")[:MAX_TEXT],
        algorithm=algorithm,
        spki=spki,
        extractable=bool(flags.get(Attribute.EXTRACTABLE, False)),
        sensitive=bool(flags.get(Attribute.SENSITIVE, False)),
        always_sensitive=bool(flags.get(Attribute.ALWAYS_SENSITIVE, False)),
        local=bool(flags.get(Attribute.LOCAL, False)),
        sign=bool(flags.get(Attribute.SIGN, False)),
        has_private=private is not None,
        has_public=public is not None,
    )
