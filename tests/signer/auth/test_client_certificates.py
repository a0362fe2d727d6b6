"""Client certificates as credentials: who they make of a request, and when they make nobody of it any more."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from signer.auth.client_certificates import CACHE_ENTRIES, ClientCertificateAuthenticator
from signer.domain.client_cas import read_client_ca
from signer.domain.client_certificates import ClientCa
from signer.domain.client_choices import CaUse, CertificateHeader, IdentityField
from signer.domain.credentials import Credentials, Peer, PeerKind
from signer.domain.identity import ApiTokenIdentity, CertificateIdentity, Identity
from signer.domain.people import Membership
from signer.errors import (
    CertificateHeaderUntrusted,
    ClientCertificateExpired,
    ClientCertificateIssuerUnknown,
    ClientCertificateNotYetValid,
    ClientCertificateOfDevice,
    ClientCertificateRejected,
    ClientCertificateRevoked,
    CredentialsRejected,
)
from tests.support.client_cas import DAY, PRESENT, SPIFFE, Ca, Issued, Wanted, new_ca

BUILDS, DEVICES, OTHER = new_ca("builds"), new_ca("devices"), new_ca("other")
BUILD, DEVICE = BUILDS.issue(), DEVICES.issue()
CACHE_SECONDS = 5.0
BEARER = "Bearer ast_0123456789abcdef_x"


def configured(ca: Ca, name: str, field: IdentityField | None = IdentityField.SAN_URI) -> ClientCa:
    use = CaUse.DEVICE if field is None else CaUse.IDENTITY
    return read_client_ca(ca.pem, name=name, use=use, field=field)


CAS = (configured(BUILDS, "builds"), configured(DEVICES, "devices", None))


@dataclass
class Site:
    """An authenticator, and what is outside of it."""

    now: datetime = PRESENT
    seconds: float = 0.0
    revoked: set[tuple[str, str]] = field(default_factory=set)
    disabled: bool = False
    person: str | None = None
    groups: frozenset[str] = frozenset()
    asked: int = 0
    before_answer: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.authenticator = ClientCertificateAuthenticator(
            cas=CAS,
            header=CertificateHeader.CLIENT_CERT,
            revoked=self,  # type: ignore[arg-type]
            directory=self,
            clock=lambda: self.now,
            monotonic=lambda: self.seconds,
            cache_seconds=CACHE_SECONDS,
        )

    def is_revoked(self, ca: str, serial: str) -> bool:
        self.asked += 1
        found = (ca, serial) in self.revoked
        self.before_answer()
        return found

    def membership(self, identity: str, *, person: str | None = None) -> Membership:
        assert (identity.split(":", maxsplit=1)[0], person) == ("mtls", None)
        if self.disabled:
            raise CredentialsRejected
        return Membership(person=self.person, groups=self.groups)


@pytest.fixture
def site() -> Site:
    return Site()


def by_tls(issued: Issued, *, authorization: str | None = None) -> Credentials:
    return Credentials(peer=Peer(kind=PeerKind.TCP), authorization=authorization, peer_certificate=issued.der)


def by_header(issued: Issued, *, vouches: bool = True, own: Issued | None = None) -> Credentials:
    value = f":{base64.b64encode(issued.der).decode()}:"
    return Credentials(
        peer=Peer(kind=PeerKind.GATEWAY, vouches=vouches),
        peer_certificate=own.der if own else None,
        certificate_headers=(("client-cert", value),),
    )


WAYS = {"in the handshake": by_tls, "by a proxy": by_header}


@pytest.mark.parametrize("way", WAYS)
def test_a_certificate_makes_an_identity(site: Site, way: str) -> None:
    credentials = WAYS[way](BUILD)
    assert site.authenticator.shown(credentials)
    identity = site.authenticator.authenticate(credentials)
    assert isinstance(identity, CertificateIdentity)
    assert identity.name == f"mtls:builds:{SPIFFE}"
    assert (identity.ca, identity.field, identity.value) == ("builds", "san-uri", SPIFFE)
    assert (identity.serial, identity.expires_at) == (BUILD.serial, PRESENT + DAY)
    assert (identity.role, identity.scope, identity.person) == (None, None, None)


def test_it_is_its_persons_and_in_their_groups(site: Site) -> None:
    site.person, site.groups = "ada", frozenset({"release"})
    identity = site.authenticator.authenticate(by_tls(BUILD))
    assert identity.principals == {f"mtls:builds:{SPIFFE}", "person:ada", "group:release"}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_remembered_and_asks_nobody(site: Site, way: str) -> None:
    credentials = WAYS[way](BUILD)
    assert site.authenticator.remembered(credentials) is None
    identity = site.authenticator.authenticate(credentials)
    assert site.authenticator.remembered(credentials) == identity
    assert site.authenticator.proved(identity)
    assert site.asked == 1


SOON = BUILDS.issue(Wanted(ends=PRESENT + timedelta(minutes=1)))
LATER = BUILDS.issue(Wanted(begins=PRESENT + timedelta(minutes=1)))
FLAWED = BUILDS.issue(Wanted(alternatives=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    issued: Issued
    refusal: type[CredentialsRejected]
    change: Callable[[Site], object] = lambda _: None


REFUSED = {
    "of a device": Refused(issued=DEVICE, refusal=ClientCertificateOfDevice),
    "of a CA that is not configured": Refused(issued=OTHER.issue(), refusal=ClientCertificateIssuerUnknown),
    "with a flaw": Refused(issued=FLAWED, refusal=ClientCertificateRejected),
    "not valid yet": Refused(issued=LATER, refusal=ClientCertificateNotYetValid),
    "expired": Refused(
        issued=SOON,
        refusal=ClientCertificateExpired,
        change=lambda site: setattr(site, "now", PRESENT + timedelta(minutes=2)),
    ),
    "revoked": Refused(
        issued=BUILD,
        refusal=ClientCertificateRevoked,
        change=lambda site: site.revoked.add(("builds", BUILD.serial)),
    ),
    "of a person who is disabled": Refused(
        issued=BUILD, refusal=CredentialsRejected, change=lambda site: setattr(site, "disabled", True)
    ),
    "of a CA that was taken away": Refused(
        issued=BUILD,
        refusal=ClientCertificateIssuerUnknown,
        change=lambda site: site.authenticator.trust((configured(OTHER, "builds"),)),
    ),
    "of a CA that issues for devices now": Refused(
        issued=BUILD,
        refusal=ClientCertificateOfDevice,
        change=lambda site: site.authenticator.trust((configured(BUILDS, "builds", None),)),
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sentence", REFUSED)
def test_a_certificate_makes_nobody(site: Site, sentence: str, way: str) -> None:
    row = REFUSED[sentence]
    row.change(site)
    credentials = WAYS[way](row.issued)
    assert site.authenticator.shown(credentials)
    assert site.authenticator.remembered(credentials) is None
    with pytest.raises(row.refusal):
        site.authenticator.authenticate(credentials)
    assert site.authenticator.remembered(credentials) is None


ENDS = {
    "it expires": lambda site: setattr(site, "now", PRESENT + timedelta(minutes=2)),
    "access changes": lambda site: site.authenticator.forget(),
    "the CAs change": lambda site: site.authenticator.trust(CAS),
    "the clock was wrong, and it is not valid yet": lambda site: setattr(site, "now", PRESENT - 2 * DAY),
}


@pytest.mark.parametrize("sentence", ENDS)
def test_it_is_remembered_no_longer_on_an_open_connection(site: Site, sentence: str) -> None:
    identity = site.authenticator.authenticate(by_tls(SOON))
    ENDS[sentence](site)
    assert site.authenticator.remembered(by_tls(SOON)) is None
    assert not site.authenticator.proved(identity)


def test_it_is_remembered_for_a_while_only(site: Site) -> None:
    site.authenticator.authenticate(by_tls(BUILD))
    site.seconds = CACHE_SECONDS
    assert site.authenticator.remembered(by_tls(BUILD)) is None


CONFIRMS = {
    "it was revoked": (lambda site: site.revoked.add(("builds", SOON.serial)), ClientCertificateRevoked),
    "it has expired": (ENDS["it expires"], ClientCertificateExpired),
    "its person was disabled": (lambda site: setattr(site, "disabled", True), CredentialsRejected),
    "it belongs to somebody now": (lambda site: setattr(site, "person", "ada"), CredentialsRejected),
    "it was taken out of a group": (lambda site: setattr(site, "groups", frozenset({"qa"})), CredentialsRejected),
    "its CA was taken away": (lambda site: site.authenticator.trust(CAS[1:]), ClientCertificateIssuerUnknown),
    "its CA has another name now": (
        lambda site: site.authenticator.trust((configured(BUILDS, "renamed"),)),
        CredentialsRejected,
    ),
    "another field names its holder now": (
        lambda site: site.authenticator.trust((configured(BUILDS, "builds", IdentityField.CN),)),
        CredentialsRejected,
    ),
}


@pytest.mark.parametrize("sentence", CONFIRMS)
def test_an_identity_is_not_confirmed(site: Site, sentence: str) -> None:
    change, refusal = CONFIRMS[sentence]
    identity = site.authenticator.authenticate(by_tls(SOON))
    change(site)  # type: ignore[operator]
    with pytest.raises(refusal):
        site.authenticator.confirm(identity)


def _of_another_worker() -> Identity:
    return Site().authenticator.authenticate(by_tls(BUILD))


STRANGERS: dict[str, Callable[[], Identity]] = {
    "an API token's": lambda: ApiTokenIdentity(name=f"mtls:builds:{SPIFFE}", token_id="0123456789abcdef"),
    "one that this worker never saw": _of_another_worker,
    "one with another serial number": lambda: replace(_of_another_worker(), serial="1"),  # type: ignore[call-arg]
    "one in a group": lambda: replace(_of_another_worker(), groups=frozenset({"release"})),
}


@pytest.mark.parametrize("sentence", STRANGERS)
def test_an_identity_of_somebody_else_is_neither_proved_nor_confirmed(site: Site, sentence: str) -> None:
    identity = STRANGERS[sentence]()
    assert not site.authenticator.proved(identity)
    with pytest.raises(CredentialsRejected):
        site.authenticator.confirm(identity)


def test_an_identity_is_confirmed_after_access_has_changed(site: Site) -> None:
    identity = site.authenticator.authenticate(by_tls(BUILD))
    site.authenticator.forget()
    site.authenticator.confirm(identity)


@pytest.mark.parametrize("change", ["forget", "trust"])
def test_what_was_looked_up_while_access_changed_is_not_remembered(site: Site, change: str) -> None:
    changes = {"forget": site.authenticator.forget, "trust": lambda: site.authenticator.trust(CAS)}
    site.before_answer = changes[change]  # type: ignore[assignment]
    site.authenticator.authenticate(by_tls(BUILD))
    assert site.authenticator.remembered(by_tls(BUILD)) is None


SHOWN = {
    "an identity's beside an Authorization field": (by_tls(BUILD, authorization=BEARER), True),
    "one with a flaw beside an Authorization field": (by_tls(FLAWED, authorization=BEARER), True),
    "a stranger's beside an Authorization field": (by_tls(OTHER.issue(), authorization=BEARER), True),
    "a device's beside an Authorization field": (by_tls(DEVICE, authorization=BEARER), False),
    "a device's": (by_tls(DEVICE), True),
    "none": (Credentials(peer=Peer(kind=PeerKind.TCP), authorization=BEARER), False),
    "a proxy's own": (
        Credentials(peer=Peer(kind=PeerKind.TCP, vouches=True), peer_certificate=BUILD.der),
        False,
    ),
}


@pytest.mark.parametrize("sentence", SHOWN)
def test_what_counts_as_shown(site: Site, sentence: str) -> None:
    credentials, shown = SHOWN[sentence]
    assert site.authenticator.shown(credentials) is shown


@pytest.mark.parametrize("ask", ["shown", "remembered", "authenticate"])
def test_a_field_from_elsewhere_is_refused_and_not_ignored(site: Site, ask: str) -> None:
    with pytest.raises(CertificateHeaderUntrusted):
        getattr(site.authenticator, ask)(by_header(BUILD, vouches=False, own=BUILD))


def test_a_proxy_with_a_certificate_speaks_for_its_client(site: Site) -> None:
    client = BUILDS.issue(Wanted(names=["client"]))
    identity = site.authenticator.authenticate(by_header(client, own=BUILD))
    assert isinstance(identity, CertificateIdentity)
    assert identity.serial == client.serial


def test_no_more_is_remembered_than_there_is_room_for(site: Site) -> None:
    """And who is remembered is proved, whoever came before."""
    certificates = [Issued(certificate=BUILDS.issue().certificate, key=BUILD.key) for _ in range(3)]
    room = site.authenticator
    for _ in range(CACHE_ENTRIES):
        room._known[len(room._known).to_bytes(4, "big")] = None  # type: ignore[assignment]
        room._shown_by[len(room._shown_by)] = b""  # type: ignore[index]
    for issued in certificates:
        identity = room.authenticate(by_tls(issued))
        assert room.remembered(by_tls(issued)) == identity
        assert room.proved(identity)
    assert len(room._known) == len(room._shown_by) == CACHE_ENTRIES


def test_threads_may_ask_at_once(site: Site) -> None:
    certificates = [BUILDS.issue() for _ in range(8)]
    failures: list[BaseException] = []

    def ask(issued: Issued) -> None:
        try:
            for number in range(50):
                identity = site.authenticator.authenticate(by_tls(issued))
                assert isinstance(identity, CertificateIdentity)
                assert identity.serial == issued.serial
                if number % 10 == 0:
                    site.authenticator.trust(CAS)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(issued,)) for issued in certificates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
