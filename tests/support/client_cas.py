"""CAs of clients and the certificates that they issue, good ones and all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)
DAY = timedelta(days=1)
PRESENT = datetime.now(UTC).replace(microsecond=0)
SPIFFE = "spiffe://example.org/build"


@cache
def spare_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """A key for certificates whose key does not matter."""
    del number
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def serial(self) -> str:
        return f"{self.certificate.serial_number:x}"

    def write(self, directory: Path, name: str = "client") -> tuple[Path, Path]:
        """PEM files of certificate and key."""
        certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
        certificate.write_bytes(self.pem)
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, key


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a certificate shall say; without anything, a good one of a build."""

    names: Sequence[str] = ("build",)
    subject: x509.Name | None = None
    alternatives: Sequence[x509.GeneralName] | None = (x509.UniformResourceIdentifier(SPIFFE),)
    uses: Sequence[x509.ObjectIdentifier] | None = CLIENT
    usage: x509.KeyUsage | None = None
    ca: bool | None = False
    begins: datetime = PRESENT - DAY
    ends: datetime = PRESENT + DAY
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = ()
    key: ec.EllipticCurvePrivateKey | None = None


GOOD = Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ca:
    """A CA with its key."""

    issuer: Issued

    @property
    def pem(self) -> bytes:
        return self.issuer.pem

    def issue(self, wanted: Wanted = GOOD) -> Issued:
        """A certificate."""
        return _made(wanted, issuer=self.issuer)

    def write(self, directory: Path, name: str = "clients") -> Path:
        """Its PEM file."""
        path = directory / f"{name}.pem"
        path.write_bytes(self.pem)
        return path


def new_ca(
    name: str = "clients",
    *,
    above: Ca | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
    wanted: Wanted = Wanted(names=(), alternatives=None, uses=None, ca=True),
) -> Ca:
    """A CA; its own root unless there is one ``above``."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return Ca(issuer=_made(wanted, issuer=above.issuer if above else None, subject=subject, own=own))


def usage(**allowed: bool) -> x509.KeyUsage:
    """A key usage that allows what is named, and nothing else."""
    all_uses = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in all_uses})


def _made(
    wanted: Wanted,
    *,
    issuer: Issued | None,
    subject: x509.Name | None = None,
    own: ec.EllipticCurvePrivateKey | None = None,
) -> Issued:
    own = own or wanted.key or spare_key()
    # Not validated: a test may want what no library would write.
    subject = subject or wanted.subject or common_names(*wanted.names)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(wanted.begins)
        .not_valid_after(wanted.ends)
    )
    for value, critical in (*_usual(wanted), *wanted.extensions):
        builder = builder.add_extension(value, critical=critical)
    return Issued(certificate=builder.sign(issuer.key if issuer else own, hashes.SHA256()), key=own)


def common_names(*names: str) -> x509.Name:
    """A subject of so many CNs."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False) for name in names])


def _usual(wanted: Wanted) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = []
    if wanted.ca is not None:
        found.append((x509.BasicConstraints(ca=wanted.ca, path_length=None), True))
    if wanted.usage is not None:
        found.append((wanted.usage, True))
    if wanted.uses is not None:
        found.append((x509.ExtendedKeyUsage(list(wanted.uses)), False))
    if wanted.alternatives is not None:
        found.append((x509.SubjectAlternativeName(list(wanted.alternatives)), False))
    return found
