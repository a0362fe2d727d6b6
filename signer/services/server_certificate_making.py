"""Certificates of servers as they come into being: signed by themselves, and written down."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from signer.domain.certificate_authority import CertificateTemplate
from signer.domain.certificate_extensions import CA_OF_LEAVES, SERVERS_ONLY
from signer.domain.certificate_facts import certificate_facts
from signer.domain.certificates import MAX_DAYS
from signer.domain.published_keys import require_unpublished
from signer.domain.server_certificates import PrivateHalf, ServerCertificate, ServerCertificateState
from signer.errors import CertificateRejected


def self_signed(template: CertificateTemplate, pair: ec.EllipticCurvePrivateKey, *, now: datetime) -> x509.Certificate:
    """The certificate of a pair by itself, which is its own anchor; raises ``CertificateRejected``."""
    if not 1 <= template.lifetime.days <= MAX_DAYS:
        raise CertificateRejected(reason=f"a certificate is valid for 1 to {MAX_DAYS} days")
    moment = now.astimezone(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder(issuer_name=template.subject, subject_name=template.subject)
        .public_key(template.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - template.margin)
        .not_valid_after(moment + template.lifetime)
        .add_extension(CA_OF_LEAVES, critical=True)
        .add_extension(SERVERS_ONLY, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(template.public_key), critical=False)
    )
    if template.names is not None:
        builder = builder.add_extension(template.names, critical=False)
    return builder.sign(pair, hashes.SHA256())


def pem(certificate: x509.Certificate) -> str:
    """The certificate as text."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def new_certificate(
    name: str,
    text: str,
    chain: str,
    *,
    state: ServerCertificateState,
    half: PrivateHalf,
    actor: str,
    now: datetime,
    ca: tuple[str, int] | None = None,
) -> ServerCertificate:
    """What is put on record of a certificate in PEM. ``ca``: key and version that issued it, where they are ours."""
    facts = certificate_facts(text)
    return ServerCertificate(
        name=name,
        fingerprint=facts.fingerprint,
        state=state,
        pem=text,
        chain_pem=chain,
        spki_sha256=require_unpublished(x509.load_pem_x509_certificate(text.encode("ascii")).public_key()),
        private_half=half,
        ca_key=None if ca is None else ca[0],
        ca_version=None if ca is None else ca[1],
        not_before=facts.not_before,
        not_after=facts.not_after,
        created_at=now,
        created_by=actor,
        switched_at=now if state is ServerCertificateState.ACTIVE else None,
    )
