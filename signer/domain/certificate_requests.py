"""Certificate signing requests of devices (PKCS#10, RFC 2986): what is taken of them is the public key, proved.

1. One PEM block, bounded, nothing before or after it.
2. The key is one that a device may have, which is looked at before anything is verified with it.
3. The request is signed by its own key: nobody has a key certified that somebody else holds.
4. Subject, extensions and attributes are not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.domain.certificate_authority import CertifiedKey
from signer.domain.chains import UNREADABLE, WEAK_HASHES
from signer.domain.device_keys import DevicePublicKey
from signer.errors import DeviceKeyInvalid
from signer.errors.device_certificates import CertificateRequestInvalid

MAX_REQUEST_BYTES = 16 << 10
_BLOCK = re.compile(
    rb"\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----[ \t]*\r?\n"
    rb"[A-Za-z0-9+/=\r\n \t]+-----END (NEW )?CERTIFICATE REQUEST-----\s*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedKey:
    """A key whose holder asks for a certificate: as certificates hold it, and as devices' keys are compared."""

    public_key: CertifiedKey
    device_key: DevicePublicKey


def read_certificate_request(unverified_pem: bytes) -> RequestedKey:
    """The key of the request; raises ``CertificateRequestInvalid`` or ``DeviceKeyInvalid``."""
    if len(unverified_pem) > MAX_REQUEST_BYTES:
        raise CertificateRequestInvalid(problem=f"is larger than {MAX_REQUEST_BYTES} bytes")
    if not _BLOCK.fullmatch(unverified_pem):
        raise CertificateRequestInvalid(problem="is not one PEM block CERTIFICATE REQUEST")
    try:
        request = x509.load_pem_x509_csr(unverified_pem)
        public_key = request.public_key()
        pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        key = DevicePublicKey.of_pem(pem.decode("ascii"))
        if isinstance(request.signature_hash_algorithm, WEAK_HASHES):
            raise CertificateRequestInvalid(problem="is signed over a weak hash")
        signed = request.is_signature_valid
    except DeviceKeyInvalid:
        raise
    except (*UNREADABLE, UnsupportedAlgorithm) as error:
        raise CertificateRequestInvalid(problem="cannot be read") from error
    if not signed:
        raise CertificateRequestInvalid(problem="is not signed by its own key")
    return RequestedKey(public_key=public_key, device_key=key)  # type: ignore[arg-type]  # of_pem takes no other kinds
