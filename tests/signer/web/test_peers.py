"""Whose address is believed: what a client says of itself never is."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

import pytest

from signer.domain.credentials import PeerKind
from signer.web.environ import LISTENER
from signer.web.front.peers import Peers
from signer.web.routes import INTERNAL, ROUTES, Route, RouteTable
from tests.docs.application import Application
from tests.support.asking import ask

CLIENT = "198.51.100.9"
PROXY = "192.0.2.1"
PEERS = Peers([ipaddress.ip_network("192.0.2.0/28"), ipaddress.ip_network("2001:db8:1::/48")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A request, and the address that it is taken to come from."""

    kind: PeerKind = PeerKind.TCP
    client: str | None = PROXY
    fields: tuple[str, ...] = ()
    address: str | None


BELIEVED = {
    "a client of its own": Row(client=CLIENT, address=CLIENT),
    "a trusted proxy": Row(fields=(CLIENT,), address=CLIENT),
    "a trusted proxy, after what the client said": Row(fields=(f"127.0.0.1, {CLIENT}",), address=CLIENT),
    "a trusted proxy, after what a client said in a field of its own": Row(
        fields=("127.0.0.1", CLIENT), address=CLIENT
    ),
    "a trusted proxy of an IPv6 network": Row(client="2001:db8:1::7", fields=("2001:db8::9",), address="2001:db8::9"),
    "a trusted proxy, as IPv6 tells it of IPv4": Row(client=f"::ffff:{PROXY}", fields=(CLIENT,), address=CLIENT),
    "an IPv6 address in another spelling": Row(fields=("2001:DB8:0::9",), address="2001:db8::9"),
    "an IPv4 address as IPv6 tells it": Row(fields=(f"::ffff:{CLIENT}",), address=CLIENT),
    "a gateway over its socket": Row(kind=PeerKind.GATEWAY, client=None, fields=(f"a, {CLIENT}",), address=CLIENT),
    "an address of a link": Row(client="fe80::1%eth0", address="fe80::1"),
}

NOT_BELIEVED = {
    "a client that says so itself": Row(client=CLIENT, fields=("127.0.0.1",), address=CLIENT),
    "a client beside the trusted network": Row(client="192.0.2.16", fields=(CLIENT,), address="192.0.2.16"),
    "a trusted proxy that says nothing": Row(address=None),
    "a trusted proxy with an empty field": Row(fields=("",), address=None),
    "a trusted proxy with nothing in the last place": Row(fields=(f"{CLIENT}, ",), address=None),
    "a trusted proxy that says a name": Row(fields=("client.example",), address=None),
    "a trusted proxy that says unknown": Row(fields=(f"{CLIENT}, unknown",), address=None),
    "a trusted proxy that says where it is asked": Row(fields=("unix:",), address=None),
    "an address with a port": Row(fields=(f"{CLIENT}:443",), address=None),
    "an address with leading zeros": Row(fields=("198.051.100.009",), address=None),
    "a network": Row(fields=("198.51.100.0/24",), address=None),
    "a number": Row(fields=("3325256713",), address=None),
    "digits that are not ASCII": Row(fields=("\u00b9.\u00b2.\u00b3.\u00b9",), address=None),
    "a very long one": Row(fields=("1" * 8000,), address=None),
    "a gateway that says nothing": Row(kind=PeerKind.GATEWAY, client=None, address=None),
    "whoever asks over the other socket": Row(kind=PeerKind.UNIX, client=None, fields=(CLIENT,), address=None),
}


def scope(row: Row) -> dict[str, Any]:
    headers = [(b"host", b"signer"), *((b"x-forwarded-for", field.encode("latin-1")) for field in row.fields)]
    return {"client": (row.client, 1) if row.client else None, "headers": headers, LISTENER: row.kind}


@pytest.mark.parametrize("sentence", [*BELIEVED, *NOT_BELIEVED])
def test_an_address_is_that_of_who_is_believed(sentence: str) -> None:
    row = {**BELIEVED, **NOT_BELIEVED}[sentence]
    peer = PEERS.of(scope(row))
    assert (peer.kind, peer.address) == (row.kind, row.address)


VOUCHES = {
    "a gateway over its socket": (Row(kind=PeerKind.GATEWAY, client=None, address=None), True),
    "an address that is listed for it": (Row(client="203.0.113.7", address=None), True),
    "one that is listed for it, as IPv6 tells it": (Row(client="::ffff:203.0.113.7", address=None), True),
    "a proxy whose word on addresses is taken": (Row(address=None), False),
    "one that says that it has such an address": (Row(client=CLIENT, fields=("203.0.113.7",), address=None), False),
    "a proxy that says that its client has one": (Row(fields=("203.0.113.7",), address=None), False),
    "this machine": (Row(client="127.0.0.1", address=None), False),
    "whoever asks over the other socket": (Row(kind=PeerKind.UNIX, client=None, address=None), False),
    "nobody": (Row(client=None, address=None), False),
}


@pytest.mark.parametrize("sentence", VOUCHES)
def test_who_may_tell_of_client_certificates(sentence: str) -> None:
    row, vouches = VOUCHES[sentence]
    tellers = [ipaddress.ip_network("203.0.113.0/29")]
    assert Peers([ipaddress.ip_network("192.0.2.0/28")], tellers).of(scope(row)).vouches is vouches


def test_nobody_but_a_gateway_tells_where_none_is_listed() -> None:
    assert [sentence for sentence, (row, _) in VOUCHES.items() if PEERS.of(scope(row)).vouches] == [
        "a gateway over its socket"
    ]


def test_without_proxies_nobody_is_believed() -> None:
    for row in (*BELIEVED.values(), *NOT_BELIEVED.values()):
        if row.kind is PeerKind.TCP and row.client is not None:
            own = ipaddress.ip_address(row.client.partition("%")[0])
            wanted = str(getattr(own, "ipv4_mapped", None) or own)
            assert Peers().of(scope(row)).address == wanted


class TestInternalRoutes:
    PATH = f"{INTERNAL}v1/probe"

    @pytest.fixture
    def probed(self, site: Application, monkeypatch: pytest.MonkeyPatch) -> Application:
        """With a route that is for gateways alone."""
        internal = Route(method="GET", path=self.PATH, name="healthz", action=None, in_front=True)
        monkeypatch.setattr(site.front, "_table", RouteTable((*ROUTES, internal)))
        return site

    def asked(self, site: Application, kind: PeerKind, method: str = "GET") -> int:
        return ask(site.front, method, self.PATH, said={LISTENER: kind}).status_code

    def test_a_gateway_finds_them(self, probed: Application) -> None:
        assert self.asked(probed, PeerKind.GATEWAY) == 200

    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
    @pytest.mark.parametrize("kind", [PeerKind.TCP, PeerKind.UNIX])
    def test_nobody_else_does_whatever_the_method(self, probed: Application, kind: PeerKind, method: str) -> None:
        assert self.asked(probed, kind, method) == 404
