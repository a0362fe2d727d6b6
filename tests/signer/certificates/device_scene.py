"""A CA of devices in the token, the devices that it certifies, and the files that believe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from signer.domain.certificate_requests import read_certificate_request
from signer.domain.client_cas import read_client_ca
from signer.domain.client_certificates import ClientCa, ProvedCertificate, proved_certificate
from signer.domain.client_choices import CaUse, IdentityField
from signer.domain.device_identity import DeviceIdentity
from signer.domain.keys import UNBOUNDED, Key, Purpose
from signer.domain.token_claims import VerifiedToken
from signer.services.client_certificates import ClientCertificateAdministration
from signer.services.device_ca import DeviceCa, IssuingCa
from signer.services.device_ca_ports import DeviceCertificateRecord
from signer.services.device_revocation_lists import DeviceRevocationLists
from signer.storage.device_certificate_store import SqlDeviceCertificates
from signer.storage.revoked_certificate_store import SqlRevokedCertificates
from tests.signer.certificates.workshop import ADMINISTRATOR, Workshop
from tests.support.device_office import Office
from tests.support.device_side import PrivateKey, SomeDevice

YEAR, QUARTER, WEEK = timedelta(days=365), timedelta(days=90), timedelta(days=7)
FLEET = IssuingCa(
    name="fleet",
    key="device-ca",
    field=IdentityField.CN,
    attribute="serial",
    lifetime=YEAR,
    renewal=QUARTER,
    list_lifetime=WEEK,
)


@dataclass
class Scene:
    """One CA, with whatever is beside it. ``believed``: what the file of the CA holds."""

    shop: Workshop
    ca: IssuingCa = FLEET
    believed: bytes = b""

    def __post_init__(self) -> None:
        self.office = Office(database=self.shop.database, clock=self.shop.clock)
        self.records = SqlDeviceCertificates(database=self.shop.database, clock=self.shop.clock)
        self.revoked = SqlRevokedCertificates(database=self.shop.database, clock=self.shop.clock)
        self.revocations = ClientCertificateAdministration(store=self.revoked, cas=[self.ca.name])
        self.cas = DeviceCa(
            cas=[self.ca],
            others=["elsewhere"],
            authority=self.shop.application.certificate_authority,
            keys=self.shop.store,
            records=self.records,
            devices=self.office.store,
            proved=self.proved,
            clock=self.shop.clock,
        )
        self.lists = DeviceRevocationLists(
            cas=self.cas,
            authority=self.shop.application.certificate_authority,
            keys=self.shop.store,
            records=self.records,
            revoked=self.revoked,
            clock=self.shop.clock,
        )

    def with_key(self, purpose: Purpose = Purpose.DEVICE_CA) -> Key:
        """Its key, made and believed."""
        key = self.shop.create(self.ca.key, purpose=purpose).key
        self.believe(1)
        return key

    def later(self, by: timedelta) -> None:
        """Let time go by."""
        self.shop.clock.advance(seconds=by.total_seconds())

    def rotate(self) -> None:
        """The next version of its key issues."""
        self.shop.lifecycle.prepare(ADMINISTRATOR, self.ca.key, validity=UNBOUNDED)
        self.shop.lifecycle.rotate(ADMINISTRATOR, self.ca.key)

    def believe(self, *numbers: int) -> None:
        """Have the file hold the certificates of these versions."""
        key = self.shop.store.key(self.ca.key)
        self.believed = b"".join(self.shop.store.certificate(key, each).pem.encode() for each in numbers)

    def client_ca(self) -> ClientCa:
        """The CA as it is believed."""
        return read_client_ca(
            self.believed, name=self.ca.name, use=CaUse.DEVICE, field=self.ca.field, attribute=self.ca.attribute
        )

    def proved(self, der: bytes) -> ProvedCertificate:
        return proved_certificate(der, [self.client_ca()])

    def issue(self, device: SomeDevice, key: PrivateKey | None = None) -> DeviceCertificateRecord:
        """A person has the device's key certified."""
        return self.cas.issue(self.ca.name, request_of(key or device.key), device.identity, actor="user:ops")

    def enrolled(self, serial: str = "SN-0042") -> Enrolled:
        """A device with a certificate and a token."""
        device = SomeDevice(serial=serial)
        record = self.issue(device)
        shown = self.proved(record.certificate)
        self.office.ask(device, shown=shown)
        return Enrolled(device=device, record=record, shown=shown, token=self.office.token(device))

    def renew(self, who: Enrolled, *, key: PrivateKey | None = None) -> DeviceCertificateRecord:
        """The device asks for its next certificate."""
        requested = read_certificate_request(request_of(key or who.device.key))
        return self.cas.renew(who.token, who.shown, requested)


@dataclass(frozen=True)
class Enrolled:
    """A device, its certificate and what that proves, and its token."""

    device: SomeDevice
    record: DeviceCertificateRecord
    shown: ProvedCertificate | None
    token: VerifiedToken

    def but(self, **changes: object) -> Enrolled:
        return replace(self, **changes)  # type: ignore[arg-type]


def subject(*values: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value) for value in values])


def request_of(
    key: PrivateKey,
    *,
    name: x509.Name | None = None,
    extensions: Sequence[x509.ExtensionType] = (),
    algorithm: hashes.HashAlgorithm | None = None,
) -> bytes:
    """A certificate signing request of the key, PEM."""
    builder = x509.CertificateSigningRequestBuilder(subject("whatever") if name is None else name)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    hashed = None if isinstance(key, ed25519.Ed25519PrivateKey) else algorithm or hashes.SHA256()
    return builder.sign(key, hashed).public_bytes(Encoding.PEM)  # type: ignore[arg-type]


def identity(text: str) -> DeviceIdentity:
    return DeviceIdentity.of_text(text)


def new_pair() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
