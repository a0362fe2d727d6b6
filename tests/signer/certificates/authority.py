"""Certification authorities for tests: sound ones, and each kind that is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

CA = x509.BasicConstraints(ca=True, path_length=None)
NO_CA = x509.BasicConstraints(ca=False, path_length=None)
USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
          "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip


def usage(*allowed: str) -> x509.KeyUsage:
    """A key usage that allows these and nothing else."""
    return x509.KeyUsage(**{name: name in allowed for name in USAGES})


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A key that issues. ``chain``: its certificate, then those above it."""

    name: x509.Name
    now: datetime
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    chain: tuple[x509.Certificate, ...] = ()

    def certify(
        self,
        subject: x509.Name,
        public_key: CertificatePublicKeyTypes,
        *extensions: tuple[x509.ExtensionType, bool],
        begin: timedelta = timedelta(days=-1),
        end: timedelta = timedelta(days=30),
        algorithm: hashes.HashAlgorithm | None = None,
    ) -> x509.Certificate:
        """A certificate with these extensions (value, critical)."""
        builder = (
            x509.CertificateBuilder(issuer_name=self.name, subject_name=subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now + begin)
            .not_valid_after(self.now + end)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, algorithm or hashes.SHA256())  # type: ignore[arg-type]

    def below(
        self,
        common_name: str,
        *extensions: tuple[x509.ExtensionType, bool],
        tamper: Callable[[x509.Certificate], x509.Certificate] = lambda made: made,
        **options: timedelta,
    ) -> Authority:
        """An authority that this one certifies; a CA without limits unless ``extensions`` say otherwise."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self.certify(name(common_name), key.public_key(), *(extensions or ((CA, True),)), **options)
        return Authority(name=name(common_name), now=self.now, key=key, chain=(tamper(made), *self.chain))


def root(now: datetime, common_name: str = "Root", *extensions: tuple[x509.ExtensionType, bool]) -> Authority:
    """An authority that certified itself."""
    bare = Authority(name=name(common_name), now=now)
    made = bare.certify(bare.name, bare.key.public_key(), *(extensions or ((CA, True),)))
    return Authority(name=bare.name, now=now, key=bare.key, chain=(made,))


def with_broken_signature(certificate: x509.Certificate) -> x509.Certificate:
    """The same certificate with one bit of its signature changed."""
    der = bytearray(certificate.public_bytes(Encoding.DER))
    der[-1] ^= 1
    return x509.load_der_x509_certificate(bytes(der))
