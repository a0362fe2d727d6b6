"""Certificates that devices come with: CAs, what they issue, and what reads them, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from signer.domain.client_cas import read_client_ca
from signer.domain.client_certificates import ClientCa, ProvedCertificate, proved_certificate
from signer.domain.client_choices import CaUse, IdentityField
from signer.domain.credentials import Credentials
from signer.domain.events import Event
from signer.services.access_ports import RevokedCertificate
from tests.support.client_cas import Ca, Issued, Wanted
from tests.support.device_side import PrivateKey, SomeDevice


def device_ca(
    ca: Ca,
    name: str = "fleet",
    *,
    field: IdentityField | None = IdentityField.CN,
    attribute: str | None = "serial",
) -> ClientCa:
    """A configured CA of devices."""
    return read_client_ca(ca.pem, name=name, use=CaUse.DEVICE, field=field, attribute=attribute)


def certificate_of(device: SomeDevice, issuer: Ca, *, key: PrivateKey | None = None, **wanted: object) -> Issued:
    """The certificate that the CA has made for the device, named by its serial number."""
    said = {"names": (device.serial,), "alternatives": None, "key": key or device.key, **wanted}
    return issuer.issue(Wanted(**said))  # type: ignore[arg-type]


def proved(issued: Issued, *cas: ClientCa) -> ProvedCertificate:
    """What the certificate proves."""
    return proved_certificate(issued.der, cas)


def serial_number(*values: str) -> x509.Name:
    """A subject with attributes ``serialNumber``."""
    return x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, each, _validate=False) for each in values])


class NoCertificates:
    """Nobody shows any, and none is revoked."""

    def of_device(self, _credentials: Credentials) -> ProvedCertificate | None:
        return None

    def is_revoked(self, _ca: str, _serial: str) -> bool:
        return False

    def all_revoked(self) -> tuple[RevokedCertificate, ...]:
        return ()

    def more_than(self, known: int) -> frozenset[tuple[str, str]] | None:
        return None if known == 0 else frozenset()

    def revoke(self, ca: str, serial: str, *, reason: str, event: Event) -> bool:
        raise NotImplementedError


@dataclass
class MemoryRevocations(NoCertificates):
    """Those that are revoked, and how often anybody looked at all of them."""

    found: set[tuple[str, str]] = field(default_factory=set)
    read: int = 0

    def is_revoked(self, ca: str, serial: str) -> bool:
        return (ca, serial) in self.found

    def more_than(self, known: int) -> frozenset[tuple[str, str]] | None:
        self.read += 1
        return None if known == len(self.found) else frozenset(self.found)


def moment(issued: Issued, *, before_end: float) -> datetime:
    """So many seconds before the certificate ends."""
    return datetime.fromtimestamp(issued.certificate.not_valid_after_utc.timestamp() - before_end).astimezone()
