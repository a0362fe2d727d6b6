"""Certificates of devices as JSON documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typing_extensions import TypedDict

from signer.domain.timestamps import Moment, rfc3339
from signer.services.access_ports import RevokedCertificate
from signer.services.device_ca_ports import DeviceCertificateRecord, ListedCertificate


class DeviceCertificateDocument(TypedDict):
    """A certificate that was issued here; ``fingerprint`` is that of its key, as devices show theirs."""

    ca: str
    serial: str
    identity_sha256: str
    fingerprint: str
    sha256: str
    not_before: Moment
    not_after: Moment
    issued_at: Moment
    actor: str
    renews: str | None
    revoked_at: Moment | None
    certificate: str


class DeviceCertificateList(TypedDict):
    """A page of them."""

    device_certificates: list[DeviceCertificateDocument]


class RevokedSerialDocument(TypedDict):
    """A serial number that is revoked, in lowercase hex."""

    serial: str
    revoked_at: Moment


class RevokedSerialList(TypedDict):
    """Those of a CA."""

    ca: str
    revoked: list[RevokedSerialDocument]


def certificate_pem(record: DeviceCertificateRecord) -> str:
    """The certificate alone: whoever is shown it knows the CA."""
    return x509.load_der_x509_certificate(record.certificate).public_bytes(Encoding.PEM).decode("ascii")


def issued_document(record: DeviceCertificateRecord, revoked_at: datetime | None = None) -> DeviceCertificateDocument:
    """One."""
    return {
        "ca": record.ca,
        "serial": record.serial,
        "identity_sha256": record.identity_sha256,
        "fingerprint": record.key_sha256,
        "sha256": record.sha256,
        "not_before": rfc3339(record.not_before),
        "not_after": rfc3339(record.not_after),
        "issued_at": rfc3339(record.issued_at),
        "actor": record.actor,
        "renews": record.renews,
        "revoked_at": rfc3339(revoked_at),
        "certificate": certificate_pem(record),
    }


def list_document(found: Sequence[ListedCertificate]) -> DeviceCertificateList:
    """A page of them."""
    return {"device_certificates": [issued_document(each.record, each.revoked_at) for each in found]}


def serials_document(ca: str, revoked: Sequence[RevokedCertificate]) -> RevokedSerialList:
    """The serial numbers that are revoked of a CA."""
    return {
        "ca": ca,
        "revoked": [{"serial": each.serial, "revoked_at": rfc3339(each.revoked_at)} for each in revoked],
    }
