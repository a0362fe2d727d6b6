"""Certificates for servers and devices, by keys of their own."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, directory: Path) -> Path:
        """One file of both, for servers."""
        path = directory / "pair.pem"
        path.write_bytes(self.key_pem + self.pem)
        return path


def issued(
    name: str,
    public: CertificatePublicKeyTypes,
    by: ec.EllipticCurvePrivateKey,
    *,
    issuer: str,
    ca: bool = False,
    begins: timedelta = -DAY,
    ends: timedelta = DAY,
) -> x509.Certificate:
    """For 127.0.0.1 and ``name``."""
    now = datetime.now(UTC)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(by, SHA256())
    )


def self_signed(name: str = "server.example", *, ca: bool = False, ends: timedelta = DAY) -> Pair:
    """Of a key that was never seen before."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Pair(certificate=issued(name, key.public_key(), key, issuer=name, ca=ca, ends=ends), key=key)


def signed_by(authority: Pair, name: str = "server.example") -> Pair:
    """A leaf of an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    certificate = issued(name, key.public_key(), authority.key, issuer=str(issuer))
    return Pair(certificate=certificate, key=key)
