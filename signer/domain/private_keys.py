"""Private keys as they come from outside, in one file of PEM: read once into what a token can be given.

1. A file is one PEM block: PKCS#8, encrypted or not, PKCS#1 or SEC1; before SEC1 may stand the curve's parameters, as
   OpenSSL writes them. Anything before, between or after is refused, and so is a byte too many inside.
2. Halves that do not belong together are refused by ``cryptography``, and once more when the token proves the pair.
3. Neither errors nor ``repr`` hold anything of the key or of its passphrase.
"""

from __future__ import annotations

import base64
import binascii
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from hsm import KeyMaterial
from signer.domain.public_keys import algorithm_of, kind_of
from signer.errors.key_files import KeyFileRejected, PassphraseMissing, PassphraseRejected

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

PKCS8, ENCRYPTED = "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"
PRIVATE_LABELS = frozenset({PKCS8, ENCRYPTED, "RSA PRIVATE KEY", "EC PRIVATE KEY"})
PARAMETERS = "EC PARAMETERS"
NOT_ONE_KEY = "it is not one private key in PEM and nothing else"
# PEM as RFC 7468 section 3 has it, and the two header lines of files that OpenSSL encrypted before PKCS#8.
_BLOCK = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]{1,40})-----[ \t]*\r?\n"
    rb"(Proc-Type: 4,ENCRYPTED\r?\nDEK-Info: [A-Za-z0-9-]{1,40},[0-9A-Fa-f]{1,64}\r?\n\r?\n)?"
    rb"([A-Za-z0-9+/= \t\r\n]*)"
    rb"-----END \1-----[ \t]*(?:\r?\n|\Z)"
)
_SEQUENCE = 0x30
_LONG_FORM = 0x80
_LENGTH_BYTES = range(1, 5)


def private_key_in(unverified_pem: bytes, passphrase: bytes | None) -> KeyMaterial:
    """The pair that the file holds.

    Raises ``KeyFileRejected``, ``PassphraseMissing`` or ``PassphraseRejected``.
    """
    label, headers, body = _only_block(unverified_pem)
    encrypted = label == ENCRYPTED or bool(headers)
    if encrypted and passphrase is None:
        raise PassphraseMissing
    if not encrypted and passphrase is not None:
        raise KeyFileRejected(reason="it is not encrypted, and a passphrase is given")
    if not headers:
        _require_whole(body)
    return _material(_loaded(unverified_pem, passphrase))


def _only_block(unverified_pem: bytes) -> tuple[str, bytes, bytes]:
    """Label, header lines and content of the block with the private key."""
    found, end = [], 0
    text = unverified_pem.strip(b" \t\r\n") + b"\n"
    while end < len(text):
        block = _BLOCK.match(text, end)
        if block is None:
            raise KeyFileRejected(reason=NOT_ONE_KEY)
        found.append((block[1].decode("ascii"), block[2] or b"", block[3]))
        end = block.end()
    if len(found) > 1 and found[0][0] == PARAMETERS and found[1][0] == "EC PRIVATE KEY":
        del found[0]
    if len(found) != 1 or found[0][0] not in PRIVATE_LABELS:
        raise KeyFileRejected(reason=NOT_ONE_KEY)
    return found[0]


def _require_whole(body: bytes) -> None:
    """The content is one DER SEQUENCE and not a byte more (X.690 section 8.1.3)."""
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise KeyFileRejected(reason="its base64 is damaged") from error
    size, head = der[1] if len(der) > 1 else 0, 2
    if size > _LONG_FORM:
        count = size - _LONG_FORM
        head += count
        size = int.from_bytes(der[2:head], "big") if count in _LENGTH_BYTES else -1
    if not der or der[0] != _SEQUENCE or len(der) < head + size or size < 0:
        raise KeyFileRejected(reason="it is cut off or damaged")
    if len(der) > head + size:
        raise KeyFileRejected(reason="there is more in it than the key")


def _loaded(unverified_pem: bytes, passphrase: bytes | None) -> PrivateKey:
    try:
        key = load_pem_private_key(unverified_pem, passphrase)
    except UnsupportedAlgorithm as error:
        raise KeyFileRejected(reason="it is of a kind, or encrypted in a way, that is not known here") from error
    except (ValueError, TypeError) as error:
        if passphrase is not None:
            raise PassphraseRejected from error
        raise KeyFileRejected(reason="it is damaged, or its halves do not belong together") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise KeyFileRejected(reason="it is of a kind that no key here can be")
    return key


def _material(key: PrivateKey) -> KeyMaterial:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    algorithm = algorithm_of(spki)
    if algorithm is None:
        raise KeyFileRejected(reason=f"it is {kind_of(spki)}, which no key here can be")
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return KeyMaterial(algorithm=algorithm, spki=spki, private=private)
