"""The signature over a manifest, in the encodings that clients accept.

1. ``manifest.sig`` is one line of standard padded base64 and nothing else, not even a newline.
2. RSA: RSASSA-PKCS1-v1_5 with SHA-256.
3. ECDSA P-256 with SHA-256: raw r and s, 64 bytes; or ASN.1 DER of 70 to 72 bytes, with a finding.
   mender-artifact takes no other length for DER, so 0.27 % of DER signatures verify on some clients only:
   those are refused.
"""

from __future__ import annotations

import binascii
import enum

from verifier._record import Record
from verifier.errors import DerSignatureLengthRefused, SignatureEncodingInvalid, SignatureInvalid
from verifier.keys import KeyAlgorithm, TrustStore, VerificationKey

_P256_NUMBER_BYTES = 32
_RAW_BYTES = 2 * _P256_NUMBER_BYTES
_DER_BYTES_ACCEPTED = range(70, 73)


class SignatureEncoding(enum.Enum):
    """How the signature's bytes are laid out."""

    PKCS1_V15 = "pkcs1-v1_5"
    ECDSA_RAW = "ecdsa-raw"
    """r and s, 32 bytes each, big-endian."""
    ECDSA_DER = "ecdsa-der"


class SignatureMatch(Record):
    """Proof that ``key`` signed the manifest that was asked about."""

    key: VerificationKey
    encoding: SignatureEncoding


def decode_signature(encoded: bytes) -> bytes:
    """The bytes in a ``manifest.sig``; raises ``SignatureEncodingInvalid``."""
    try:
        signature = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError):
        raise SignatureEncodingInvalid from None
    if not signature or binascii.b2a_base64(signature, newline=False) != encoded:
        raise SignatureEncodingInvalid
    return signature


def verify_manifest_signature(manifest_raw: bytes, encoded: bytes, trust: TrustStore) -> SignatureMatch:
    """Find the key in ``trust`` that made the signature ``encoded`` over ``manifest_raw``; raises otherwise.

    Of several refusals the most specific one is raised: a signature that a trusted key did make, in a form
    that some clients refuse, is not reported as a wrong key.
    """
    signature = decode_signature(encoded)
    for key in trust.keys:
        encoding = _encoding(signature, key)
        standard = _raw_to_der(signature) if encoding is SignatureEncoding.ECDSA_RAW else signature
        if standard is None or not key.verify(manifest_raw, standard):
            continue
        if encoding is SignatureEncoding.ECDSA_DER and len(signature) not in _DER_BYTES_ACCEPTED:
            raise DerSignatureLengthRefused(fingerprint=key.fingerprint, length=len(signature))
        return SignatureMatch(key=key, encoding=encoding)
    raise SignatureInvalid(fingerprints=tuple(key.fingerprint for key in trust.keys))


def _encoding(signature: bytes, key: VerificationKey) -> SignatureEncoding:
    if key.algorithm is KeyAlgorithm.RSA:
        return SignatureEncoding.PKCS1_V15
    return SignatureEncoding.ECDSA_RAW if len(signature) == _RAW_BYTES else SignatureEncoding.ECDSA_DER


def _raw_to_der(signature: bytes) -> bytes | None:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    r = int.from_bytes(signature[:_P256_NUMBER_BYTES], "big")
    s = int.from_bytes(signature[_P256_NUMBER_BYTES:], "big")
    return encode_dss_signature(r, s)
