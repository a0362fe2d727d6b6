"""What a request shows of who asks, unproved: one of the ``auth`` modules makes an identity of it, or nobody does."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

NETWORK_BITS = 64
# Every field in which a proxy may tell of a client's certificate, as it is compared and as it is written.
CERTIFICATE_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "client-cert": "Client-Cert",
        "client-cert-chain": "Client-Cert-Chain",
        "x-ssl-client-cert": "X-SSL-Client-Cert",
        "x-ssl-client-verify": "X-SSL-Client-Verify",
    }
)


class PeerKind(StrEnum):
    """Over which kind of listener a request came."""

    TCP = "tcp"
    UNIX = "unix"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end of the connection.

    Attributes:
        kind: the listener that took the connection.
        address: the client's IP address where one can be believed, else None.
        vouches: whether it may tell of the certificates that clients have shown to it.
    """

    kind: PeerKind
    address: str | None = None
    vouches: bool = False

    @property
    def network(self) -> str | None:
        """What counts as one client: an IPv4 address, or the /64 of an IPv6 one; None where no address is believed."""
        if self.address is None or ":" not in self.address:
            return self.address
        return str(ipaddress.ip_network((self.address, NETWORK_BITS), strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """All that a request shows.

    Attributes:
        peer: where it comes from.
        authorization: the ``Authorization`` field.
        peer_certificate: the certificate that the client showed in the TLS handshake, DER; OpenSSL proved that the
            client has its key and that a configured CA issued it, and nothing else.
        certificate_headers: fields in which a proxy tells of a client certificate, name in lower case and value, in
            order, repeated ones too.
    """

    peer: Peer
    authorization: str | None = None
    peer_certificate: bytes | None = None
    certificate_headers: tuple[tuple[str, str], ...] = ()

    @property
    def given(self) -> bool:
        """Whether anything is shown at all."""
        return self.authorization is not None or self.peer_certificate is not None or bool(self.certificate_headers)
