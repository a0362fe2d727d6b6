"""TLS certificates as they should not be."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

LOOPBACK: tuple[x509.GeneralName, ...] = (x509.IPAddress(ipaddress.ip_address("127.0.0.1")),)


def write_certificate(
    directory: Path,
    *,
    starts: timedelta = timedelta(days=-100),
    ends: timedelta = timedelta(days=100),
    names: Sequence[x509.GeneralName] = LOOPBACK,
) -> None:
    """A certificate for the private key that is there; ``starts`` and ``ends`` from now."""
    key = load_pem_private_key((directory / "private.key").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "artifact-signer")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    (directory / "cert.crt").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))


def write_other_key(directory: Path, *, passphrase: bytes | None = None) -> None:
    """A private key that is not the certificate's."""
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1())
    (directory / "private.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
