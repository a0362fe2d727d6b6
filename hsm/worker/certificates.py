"""The certificates that a token holds beside a key pair, as they are: nothing in them is looked at here."""

from __future__ import annotations

from typing import Any

from pkcs11 import Attribute, ObjectClass

from hsm.worker.objects import attributes, objects

# What one answer takes; the first certificates count where there are more.
MAX_TOTAL_BYTES = 65536


def certificates(session: Any, key_id: bytes) -> tuple[bytes, ...]:
    """The DER certificates with this CKA_ID, together at most ``MAX_TOTAL_BYTES``."""
    found: list[bytes] = []
    room = MAX_TOTAL_BYTES
    for item in objects(session, {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.ID: key_id}):
        value = attributes(item, (Attribute.VALUE,)).get(Attribute.VALUE)
        if isinstance(value, bytes) and 0 < len(value) <= room:
            found.append(value)
            room -= len(value)
    return tuple(found)
