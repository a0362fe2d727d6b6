"""Exactly one PEM block ``PUBLIC KEY`` out of a file's bytes."""

from __future__ import annotations

import binascii
import re

from verifier.errors import KeyFileEmpty, KeyFileNotPem, KeyNotPublic, SeveralKeysInFile

_PUBLIC_KEY = "PUBLIC KEY"
_BEGIN = re.compile(rb"^-----BEGIN ([A-Z0-9 ]{1,64})-----[ \t\r]*$", re.MULTILINE)
_BLOCK = re.compile(
    rb"^-----BEGIN PUBLIC KEY-----[ \t\r]*\n([A-Za-z0-9+/=\s]+)^-----END PUBLIC KEY-----[ \t\r]*$",
    re.MULTILINE,
)


def public_key_der(pem: bytes, *, source: str | None) -> bytes:
    """The DER inside the block; text around it is allowed, as it is for clients."""
    if not pem.strip():
        raise KeyFileEmpty(source=source)
    labels = [label.decode("ascii") for label in _BEGIN.findall(pem)]
    if not labels:
        raise KeyFileNotPem(source=source)
    if labels[0] != _PUBLIC_KEY:
        raise KeyNotPublic(source=source, label=labels[0])
    if len(labels) > 1:
        raise SeveralKeysInFile(source=source)
    block = _BLOCK.search(pem)
    if block is None:
        raise KeyFileNotPem(source=source)
    try:
        return binascii.a2b_base64(b"".join(block[1].split()), strict_mode=True)
    except binascii.Error:
        raise KeyFileNotPem(source=source) from None
