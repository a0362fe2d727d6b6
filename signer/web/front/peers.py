"""Whose address is believed.

1. A TCP connection has the address that the kernel says, unless that is a trusted proxy's.
2. A gateway, over its own socket, and a trusted proxy say in the last hop of ``X-Forwarded-For`` who asked them. What
   stands before it is the client's own words; so is the whole field where it comes from anybody else.
3. Those who may tell of clients' certificates are listed by themselves, and known by the address of their connection.
4. Where nobody who is believed says an address, there is none: limits then go by the credential alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from signer.domain.credentials import Peer, PeerKind
from signer.web.environ import LISTENER

FORWARDED = b"x-forwarded-for"
# The longest spelling of an IPv6 address, with an IPv4 address at its end.
MAX_ADDRESS_BYTES = 45
CONNECTIONS_KEPT = 1024

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Peers:
    """Reads who is at the other end of a connection. Safe for threads."""

    def __init__(self, proxies: Sequence[Network] = (), tellers: Sequence[Network] = ()) -> None:
        self._proxies = tuple(proxies)
        self._tellers = tuple(tellers)
        # A connection is nearly always one of few clients'.
        self._of_connection = lru_cache(maxsize=CONNECTIONS_KEPT)(self._connected)

    def of(self, scope: MutableMapping[str, Any]) -> Peer:
        """The peer of a request, by its ASGI scope."""
        client = scope.get("client")
        peer, tells = self._of_connection(scope.get(LISTENER, PeerKind.TCP), str(client[0]) if client else None)
        return replace(peer, address=_text(_last_hop(scope["headers"]))) if tells else peer

    def _connected(self, kind: PeerKind, client: str | None) -> tuple[Peer, bool]:
        """The peer, and whether it is to be believed who asked it, in place of its own address."""
        address = None if client is None else _address(client)
        gateway = kind is PeerKind.GATEWAY
        peer = Peer(kind=kind, address=_text(address), vouches=gateway or _among(address, self._tellers))
        return peer, gateway or _among(address, self._proxies)


def _text(address: Address | None) -> str | None:
    return None if address is None else str(address)


def _among(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)


def _last_hop(headers: Iterable[tuple[bytes, bytes]]) -> Address | None:
    # Of several fields the last one: whoever adds a hop adds it at the end.
    fields = [value for name, value in headers if name == FORWARDED]
    return _address(fields[-1].rpartition(b",")[2].strip(b" \t").decode("latin-1")) if fields else None


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    if len(text) > MAX_ADDRESS_BYTES:
        return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
