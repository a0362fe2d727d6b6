"""A correct signed artifact, and somebody on the way who changes one bit of it and nothing else."""

from __future__ import annotations

import base64

from tests.artifacts.breaks import content, flip
from tests.artifacts.builder import Stage
from tests.artifacts.compression import Compression
from tests.artifacts.keys import KeyKind, private_key, sign

from .case import Case, accepted, refused, signed

KINDS = (KeyKind.P256, KeyKind.RSA_3072)
COMPRESSIONS = (Compression.NONE, Compression.GZIP, Compression.XZ)
FILE_CONTENT = 512 + 3
"""Where, in a payload tar that is not compressed, a byte of the first file lies."""
DEFLATED = 20
XZ_BLOCK = 40
"""Where, in the compressed payloads, data lies rather than a header."""


def _flip_signature(text: bytes) -> bytes:
    return base64.b64encode(flip(10)(base64.b64decode(text)))


SIGNED_PARTS = (
    ("version", flip(12), "version-invalid"),
    ("manifest", flip(10), "signature-invalid"),
    ("manifest.sig", _flip_signature, "signature-invalid"),
    ("header.tar", flip(60), "digest-mismatch"),
)
PAYLOADS = {
    Compression.NONE: (flip(FILE_CONTENT), "digest-mismatch"),
    Compression.GZIP: (flip(DEFLATED), "compression-corrupt"),
    Compression.XZ: (flip(XZ_BLOCK), "compression-corrupt"),
}

UNTOUCHED = tuple(
    accepted(
        f"nothing was changed ({kind.value}, {compression.name.lower()})",
        signed(kind).compressed(compression),
        trusted=kind,
    )
    for kind in KINDS
    for compression in COMPRESSIONS
)

ONE_BIT = tuple(
    refused(
        f"a bit of {part} was changed ({kind.value}, {compression.name.lower()})",
        signed(kind).compressed(compression).edited(Stage.MEMBERS, content(part, edit)),
        code,
        trusted=kind,
    )
    for kind in KINDS
    for compression in COMPRESSIONS
    for part, edit, code in (*SIGNED_PARTS, ("data/0000", *PAYLOADS[compression]))
)


def _signed_by_another(_: bytes) -> bytes:
    return sign(private_key(KeyKind.OTHER_P256), signed().manifest())


SUBSTITUTED = (
    refused(
        "the signature was replaced by another key's",
        signed().edited(Stage.SIGNATURE_RAW, _signed_by_another),
        "signature-invalid",
    ),
)

CASES: tuple[Case, ...] = (*UNTOUCHED, *ONE_BIT, *SUBSTITUTED)
