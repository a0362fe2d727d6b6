"""Refusals of the signature."""

from __future__ import annotations

from typing import ClassVar

from verifier.errors.base import VerificationError


class SignatureError(VerificationError):
    """The signature is absent, malformed, or made by no trusted key."""

    code: ClassVar[str] = "signature-error"


class Unsigned(SignatureError):
    """There is no ``manifest.sig``."""

    code: ClassVar[str] = "unsigned"


class SignatureEncodingInvalid(SignatureError):
    """``manifest.sig`` is not one line of standard padded base64 without a newline."""

    code: ClassVar[str] = "signature-encoding-invalid"


class SignatureInvalid(SignatureError):
    """No trusted key made this signature over this manifest; ``fingerprints`` are the keys tried."""

    code: ClassVar[str] = "signature-invalid"
    fingerprints: tuple[str, ...]


class DerSignatureLengthRefused(SignatureError):
    """By a trusted key, but in ASN.1 DER of a length that mender-artifact does not take for DER (70-72)."""

    code: ClassVar[str] = "der-signature-length-refused"
    fingerprint: str
    length: int
