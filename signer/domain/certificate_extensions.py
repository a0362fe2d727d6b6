"""What certificates that are made here say of a key: whether it is a CA's, and what it may sign (RFC 5280 section 4.2).

1. The key of a CA signs certificates and lists of revoked ones, and issues no further CA.
2. Every other key makes digital signatures.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from signer.domain.keys import CERTIFICATE_AUTHORITIES, Purpose


def _usage(*, signatures: bool = False, issues: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signatures,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )


SIGNATURES_ONLY = _usage(signatures=True)
ISSUES_ONLY = _usage(issues=True)
NO_CA = x509.BasicConstraints(ca=False, path_length=None)
CA_OF_LEAVES = x509.BasicConstraints(ca=True, path_length=0)
SERVERS_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
CLIENTS_ONLY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


def own_extensions(purpose: Purpose) -> tuple[x509.ExtensionType, ...]:
    """What a key of this purpose says of itself; each is critical."""
    return (CA_OF_LEAVES, ISSUES_ONLY) if purpose in CERTIFICATE_AUTHORITIES else (NO_CA, SIGNATURES_ONLY)
