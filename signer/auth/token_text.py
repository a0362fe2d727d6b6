"""The text of a bearer token: prefix, public id, secret, checksum.

``<prefix>_<16 hex digits>_<43 base62><6 base62>``: a word that a double click selects as a whole. The last six
characters are the CRC-32 of all before them, so that scanners for leaked secrets discard false finds, and a typing
error costs no query. It is no protection: a wrong one is answered like an unknown token.
"""

from __future__ import annotations

import re
import secrets
import zlib
from dataclasses import dataclass

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_BYTES, SECRET_BYTES = 8, 32
ID_PATTERN = re.compile(r"[0-9a-f]{16}")
_SECRET_CHARACTERS, _CHECKSUM_CHARACTERS = 43, 6
_REST = re.compile(rf"_([0-9a-f]{{16}})_[0-9A-Za-z]{{{_SECRET_CHARACTERS + _CHECKSUM_CHARACTERS}}}")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TokenText:
    """A token in full. ``id``: its public part."""

    id: str
    text: str

    @classmethod
    def make(cls, prefix: str, *, token_id: str | None = None, secret: bytes | None = None) -> TokenText:
        """A new token; what is not given is random. ``prefix``: without the underscore."""
        token_id = token_id or secrets.token_hex(ID_BYTES)
        number = int.from_bytes(secret or secrets.token_bytes(SECRET_BYTES))
        body = f"{prefix}_{token_id}_{_base62(number, _SECRET_CHARACTERS)}"
        return cls(id=token_id, text=body + _checksum(body))

    @classmethod
    def parse(cls, prefix: str, text: str) -> TokenText | None:
        """The token, if the text has the form of one with this prefix."""
        rest = _REST.fullmatch(text, len(prefix)) if text.startswith(prefix) else None
        if rest is None or _checksum(text[:-_CHECKSUM_CHARACTERS]) != text[-_CHECKSUM_CHARACTERS:]:
            return None
        return cls(id=rest[1], text=text)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CHECKSUM_CHARACTERS)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
