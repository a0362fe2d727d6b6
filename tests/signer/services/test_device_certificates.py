"""Certificates beside tokens: which a gateway's request needs, and when one that was good is good no longer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from signer.auth.client_certificates import ClientCertificateAuthenticator
from signer.domain.client_cas import read_client_ca
from signer.domain.client_choices import CaUse, CertificateHeader, Demand, IdentityField
from signer.domain.credentials import Credentials, Peer, PeerKind
from signer.errors import SignerError
from signer.services.device_certificates import DeviceCertificates
from signer.services.token_state_ports import TokenStanding
from tests.support.client_cas import PRESENT, Issued, new_ca
from tests.support.device_certificates import MemoryRevocations, certificate_of, device_ca
from tests.support.device_side import SomeDevice
from tests.support.gateway_tokens import MemoryStates

FLEET, SECOND, BUILDS, STRANGER = (new_ca(name) for name in ("fleet", "second", "builds", "fleet"))
DEVICE, OTHER = SomeDevice(), SomeDevice(serial="SN-0043")
CERTIFICATE = certificate_of(DEVICE, FLEET)
MONTH = timedelta(days=30)
CAS = (
    device_ca(FLEET),
    device_ca(SECOND, "second"),
    read_client_ca(BUILDS.pem, name="builds", use=CaUse.IDENTITY, field=IdentityField.CN),
)


@dataclass
class Scene:
    """What looks at certificates, with all that is outside of it in memory."""

    demand: Demand = Demand.OPTIONAL
    now: datetime = PRESENT
    rows: MemoryStates = field(default_factory=MemoryStates)
    revoked: MemoryRevocations = field(default_factory=MemoryRevocations)

    def __post_init__(self) -> None:
        self.reader = ClientCertificateAuthenticator(
            cas=CAS,
            header=CertificateHeader.OFF,
            revoked=self.revoked,
            directory=None,  # type: ignore[arg-type]
            clock=lambda: self.now,
            monotonic=lambda: 0.0,
            cache_seconds=5.0,
        )
        self.certificates = DeviceCertificates(
            reader=self.reader, revoked=self.revoked, watch=self.rows, demand=self.demand
        )

    def beside(self, issued: Issued | None, *, client_ca: str | None = "fleet") -> str:
        """The refusal of a request with the token of ``DEVICE``; empty where it may go on."""
        standing = TokenStanding(refusal=None, key_sha256=DEVICE.public_key.sha256, client_ca=client_ca)
        try:
            asyncio.run(self.certificates.beside(standing, by_tls(issued)))
        except SignerError as refused:
            return refused.code
        return ""

    def shown(self, issued: Issued | None) -> str:
        """The same for a request without a token."""
        try:
            self.certificates.shown(by_tls(issued))
        except SignerError as refused:
            return refused.code
        return ""


def by_tls(issued: Issued | None) -> Credentials:
    return Credentials(
        peer=Peer(kind=PeerKind.TCP), authorization=None, peer_certificate=None if issued is None else issued.der
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    issued: Issued | None = CERTIFICATE
    client_ca: str | None = "fleet"
    demand: Demand = Demand.OPTIONAL
    code: str = ""


BESIDE = {
    "its certificate": Row(),
    "its certificate, which it has never come with": Row(client_ca=None),
    "none, and it has never come with one": Row(issued=None, client_ca=None),
    "none, and it has come with one": Row(issued=None, code="device-certificate-missing"),
    "none, and everybody needs one": Row(
        issued=None, client_ca=None, demand=Demand.REQUIRED, code="device-certificate-missing"
    ),
    "that of another device": Row(issued=certificate_of(OTHER, FLEET), code="device-certificate-of-another-device"),
    "that of another device, and it has never come with one": Row(
        issued=certificate_of(OTHER, FLEET), client_ca=None, code="device-certificate-of-another-device"
    ),
    "its name with another key": Row(
        issued=certificate_of(DEVICE, FLEET, key=OTHER.key), code="device-certificate-of-another-device"
    ),
    "its key with another CA of devices": Row(
        issued=certificate_of(DEVICE, SECOND), code="device-certificate-of-another-ca"
    ),
    "its key with a CA of callers": Row(issued=certificate_of(DEVICE, BUILDS), code="client-certificate-of-caller"),
    "its key with a stranger's CA": Row(
        issued=certificate_of(DEVICE, STRANGER), code="client-certificate-issuer-unknown"
    ),
    "the CA's own": Row(issued=FLEET.issuer, code="client-certificate-of-ca"),
}


@pytest.mark.parametrize("sentence", BESIDE)
def test_beside_a_token(sentence: str) -> None:
    row = BESIDE[sentence]
    assert Scene(demand=row.demand).beside(row.issued, client_ca=row.client_ca) == row.code


def test_it_expires_while_a_connection_goes_on() -> None:
    scene = Scene()
    assert (scene.beside(CERTIFICATE), scene.shown(CERTIFICATE)) == ("", "")
    scene.now = PRESENT + MONTH
    assert (scene.beside(CERTIFICATE), scene.shown(CERTIFICATE)) == ("client-certificate-expired",) * 2


def test_it_is_revoked_while_a_connection_goes_on() -> None:
    scene = Scene()
    assert (scene.beside(CERTIFICATE), scene.shown(CERTIFICATE)) == ("", "")
    scene.revoked.found.add(("fleet", CERTIFICATE.serial))
    scene.rows.counter += 1
    assert (scene.beside(CERTIFICATE), scene.shown(CERTIFICATE)) == ("client-certificate-revoked",) * 2


def test_the_same_number_of_another_ca_is_another_certificate() -> None:
    scene = Scene()
    scene.revoked.found.add(("second", CERTIFICATE.serial))
    assert (scene.beside(CERTIFICATE), scene.shown(CERTIFICATE)) == ("", "")


def test_the_list_is_read_again_only_where_the_counter_has_moved() -> None:
    scene = Scene()
    scene.revoked.found.add(("fleet", "a3f"))
    for _ in range(3):
        assert scene.beside(CERTIFICATE) == ""
    assert scene.revoked.read == 1
    scene.rows.counter += 1
    assert scene.beside(CERTIFICATE) == ""
    assert scene.revoked.read == 2


def test_where_it_cannot_be_known_nobody_is_let_in() -> None:
    scene = Scene(rows=MemoryStates(unavailable=True))
    assert scene.beside(CERTIFICATE) == "token-states-unavailable"


def test_without_a_ca_of_devices_nothing_is_looked_at() -> None:
    scene = Scene()
    scene.reader.trust(CAS[2:])
    assert scene.beside(certificate_of(DEVICE, STRANGER), client_ca=None) == ""
    assert scene.beside(certificate_of(DEVICE, FLEET)) == "device-certificate-missing"
