"""Base64 and decimal numbers with one spelling each: what decodes otherwise in another language is refused."""

from __future__ import annotations

import base64
import binascii
import re

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


def canonical_base64(text: str) -> bytes:
    """The bytes of standard padded base64; raises ``ValueError`` for every other spelling of them."""
    try:
        decoded = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("not standard padded base64") from None
    if base64.b64encode(decoded).decode("ascii") != text:
        raise ValueError("not standard padded base64")
    return decoded


def canonical_number(text: str) -> int:
    """A number of at most 63 bits without sign or leading zero; raises ``ValueError``."""
    if not _NUMBER.fullmatch(text) or int(text) >= 1 << 63:
        raise ValueError("not a decimal number in its one spelling")
    return int(text)
