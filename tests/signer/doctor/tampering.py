"""Changes a token as somebody with its PIN could, in a process of its own; the PIN comes on standard input.

``python -m tests.signer.doctor.tampering ACTION [ARGUMENT …]`` with SOFTHSM2_CONF set.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pkcs11
from pkcs11.util.ec import encode_named_curve_parameters

from signer.installation import SOFTHSM_MODULES, TOKEN_LABEL

CURVE = "secp256r1"


def _token() -> Any:
    module = next(path for path in SOFTHSM_MODULES if path.exists())
    return pkcs11.lib(str(module)).get_token(token_label=TOKEN_LABEL)


def _make(pin: str, cka_id: str, label: str, *, extractable: bool, curve: str = CURVE) -> None:
    with _token().open(rw=True, user_pin=pin) as session:
        attributes = {
            pkcs11.Attribute.EXTRACTABLE: extractable,
            pkcs11.Attribute.SENSITIVE: not extractable,
        }
        parameters = session.create_domain_parameters(
            pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
        )
        parameters.generate_keypair(id=bytes.fromhex(cka_id), label=label, store=True, private_template=attributes)


def make(pin: str, cka_id: str, label: str) -> None:
    """A pair that no record names."""
    _make(pin, cka_id, label, extractable=False)


def make_extractable(pin: str, cka_id: str, label: str) -> None:
    """A pair that the token gives away."""
    _make(pin, cka_id, label, extractable=True)


def make_curve(pin: str, cka_id: str, label: str, curve: str) -> None:
    """A pair on another curve."""
    _make(pin, cka_id, label, extractable=False, curve=curve)


def certify(pin: str, cka_id: str, certificate: str) -> None:
    """Place a certificate, in hexadecimal, beside a pair."""
    attributes = {
        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE,
        pkcs11.Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
        pkcs11.Attribute.TOKEN: True,
        pkcs11.Attribute.ID: bytes.fromhex(cka_id),
        pkcs11.Attribute.SUBJECT: b"",
        pkcs11.Attribute.VALUE: bytes.fromhex(certificate),
    }
    with _token().open(rw=True, user_pin=pin) as session:
        session.create_object(attributes)


def remove(pin: str, cka_id: str, *kinds: str) -> None:
    """The halves of a pair: ``private``, ``public`` or both."""
    classes = {"private": pkcs11.ObjectClass.PRIVATE_KEY, "public": pkcs11.ObjectClass.PUBLIC_KEY}
    with _token().open(rw=True, user_pin=pin) as session:
        for kind in kinds:
            selector = {pkcs11.Attribute.CLASS: classes[kind], pkcs11.Attribute.ID: bytes.fromhex(cka_id)}
            (half,) = session.get_objects(selector)
            half.destroy()


def replace(pin: str, cka_id: str, label: str) -> None:
    """Another pair under the same CKA_ID."""
    remove(pin, cka_id, "private", "public")
    _make(pin, cka_id, label, extractable=False)


def mistype(_pin: str) -> None:
    """One login with a wrong PIN."""
    try:
        _token().open(user_pin="wrong")
    except pkcs11.exceptions.PinIncorrect:
        return
    raise AssertionError("the token took a wrong PIN")


ACTIONS: dict[str, Callable[..., None]] = {
    "make": make,
    "make-extractable": make_extractable,
    "make-curve": make_curve,
    "certify": certify,
    "remove": remove,
    "replace": replace,
    "mistype": mistype,
}

if __name__ == "__main__":
    ACTIONS[sys.argv[1]](sys.stdin.read().strip(), *sys.argv[2:])
    sys.stdout.flush()
    # The module crashes in its own exit handlers now and then.
    os._exit(0)
