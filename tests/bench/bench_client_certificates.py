"""What telling who asks by a client certificate costs a request, in microseconds of processor time of one thread.

``remembered``: the certificate was looked up a moment ago, as it was for all but the first request of some seconds;
``looked up``: what is on record is asked for again, without the database itself; ``first seen``: read, its issuer found
by its signature. Told by a proxy, it is decoded with each request. Run by ``make bench-access``.
"""

from __future__ import annotations

import base64
from urllib.parse import quote

from signer.auth.client_certificates import KIND, ClientCertificateAuthenticator
from signer.auth.methods import Methods
from signer.domain.client_cas import read_client_ca
from signer.domain.client_choices import CaUse, CertificateHeader, IdentityField
from signer.domain.credentials import Credentials, Peer, PeerKind
from signer.domain.identity import Identity
from signer.domain.people import Membership
from tests.bench.processor_time import microseconds
from tests.support.client_cas import PRESENT, new_ca

CA = new_ca("builds")
CAS = (read_client_ca(CA.pem, name="builds", use=CaUse.IDENTITY, field=IdentityField.SAN_URI),)
CLIENT = CA.issue()
GATEWAY = Peer(kind=PeerKind.GATEWAY, vouches=True)
BY_TLS = Credentials(peer=Peer(kind=PeerKind.TCP), peer_certificate=CLIENT.der)
AS_RFC_9440 = Credentials(
    peer=GATEWAY, certificate_headers=(("client-cert", f":{base64.b64encode(CLIENT.der).decode()}:"),)
)
AS_NGINX = Credentials(
    peer=GATEWAY,
    certificate_headers=(
        ("x-ssl-client-cert", quote(CLIENT.pem.decode(), safe="")),
        ("x-ssl-client-verify", "SUCCESS"),
    ),
)


class OnRecord:
    """Nobody is revoked, and nobody belongs to anybody."""

    def is_revoked(self, _ca: str, _serial: str) -> bool:
        return False

    def membership(self, _identity: str, *, person: str | None = None) -> Membership:
        return Membership(person=person)


def methods(header: CertificateHeader) -> tuple[Methods, ClientCertificateAuthenticator]:
    """The methods of a process that takes this form."""
    certificates = ClientCertificateAuthenticator(
        cas=CAS,
        header=header,
        revoked=OnRecord(),  # type: ignore[arg-type]
        directory=OnRecord(),
        clock=lambda: PRESENT,
        monotonic=lambda: 0.0,
        cache_seconds=1.0,
    )
    return Methods(bearer={}, certificates=certificates, kinds={KIND: certificates}), certificates


def remembered(header: CertificateHeader, shown: Credentials) -> float:
    """Of a certificate that was looked up."""
    known, _ = methods(header)
    identity = known.authenticate(shown)
    assert isinstance(identity, Identity)
    assert known.remembered(shown) == identity
    return microseconds(lambda: known.remembered(shown))


def main() -> None:
    """Write the table."""
    known, certificates = methods(CertificateHeader.OFF)

    def looked_up() -> object:
        certificates.forget()
        return known.authenticate(BY_TLS)

    def first_seen() -> object:
        certificates.trust(CAS)
        return known.authenticate(BY_TLS)

    rows = {
        "shown in the handshake, remembered": remembered(CertificateHeader.OFF, BY_TLS),
        "told as in RFC 9440, remembered": remembered(CertificateHeader.CLIENT_CERT, AS_RFC_9440),
        "told as nginx does, remembered": remembered(CertificateHeader.NGINX, AS_NGINX),
        "looked up (without the database)": microseconds(looked_up),
        "first seen, P-256": microseconds(first_seen),
    }
    print("| what | µs |\n|---|---:|")
    for name, cost in rows.items():
        print(f"| {name} | {cost:.1f} |")


if __name__ == "__main__":
    main()
