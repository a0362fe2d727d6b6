"""What ``gateway config`` was given, checked so that nothing of it can mean anything else in the written file.

Each value has an alphabet without quotes, blanks at its ends, backslashes, ``$`` (a variable of nginx), control
characters and what ends a directive. Files are named by absolute paths, for whoever starts the gateway does so from
anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from signer.addresses import Address, is_loopback
from signer.errors import GatewayOptionRefused
from signer.gateway.key_uri import TlsKeyUri

# Words of any script may stand in paths; "\w" takes no control character.
_PATH = re.compile(r"/[\w./+@%=,~-]+(?: [\w./+@%=,~-]+)*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*{_LABEL}")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}")
MAX_PORT = 65535


class Program(StrEnum):
    """Which gateway a configuration is for."""

    NGINX = "nginx"
    TRAEFIK = "traefik"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to listen or to connect. ``host``: a name or an address, without brackets."""

    host: str
    port: int

    @classmethod
    def parse(cls, unverified: str, *, option: str) -> Place:
        """Of ``HOST:PORT`` or ``[IPV6]:PORT``; raises ``GatewayOptionRefused``."""
        host, _, port = unverified.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        named = _IPV6.fullmatch(host[1:-1]) if bracketed else _HOST.fullmatch(host)
        if not named or not port.isascii() or not port.isdecimal() or not 0 < int(port) <= MAX_PORT:
            raise GatewayOptionRefused(option=option, reason="must be HOST:PORT or [IPV6]:PORT")
        return cls(host=host.strip("[]"), port=int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The Mender server behind the gateway. ``tls``: whether it is asked over https."""

    place: Place
    tls: bool

    @classmethod
    def parse(cls, unverified: str) -> Upstream:
        """Of ``http://HOST[:PORT]`` or ``https://…``, without a path; raises ``GatewayOptionRefused``."""
        option = "--upstream"
        try:
            address = Address.parse(unverified, plain=True)
        except ValueError as error:
            raise GatewayOptionRefused(option=option, reason=str(error)) from None
        if address.prefix:
            raise GatewayOptionRefused(option=option, reason="must have no path: paths go on as they come")
        host = f"[{address.host}]" if ":" in address.host else address.host
        return cls(place=Place.parse(f"{host}:{address.port}", option=option), tls=address.scheme == "https")

    @property
    def over_the_network(self) -> bool:
        """Whether what goes there can be read on the way."""
        return not self.tls and not is_loopback(self.place.host)

    @property
    def url(self) -> str:
        """Without a path."""
        return f"{'https' if self.tls else 'http'}://{self.place}"


def checked_path(path: Path, *, option: str) -> Path:
    """The absolute path, if it can stand in a configuration; raises ``GatewayOptionRefused``."""
    absolute = Path.cwd() / path
    if not _PATH.fullmatch(str(absolute)):
        raise GatewayOptionRefused(
            option=option, reason="names a file whose path has characters with a meaning in configurations"
        )
    return absolute


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPlan:
    """Everything that a configuration is written from.

    Attributes:
        gateway_socket: where the service listens for its gateway.
        relay: where something passes on to that socket, for a gateway that knows none.
        tls_key: of the gateway's own, where it lies in a token; else ``private_key`` is its file.
        client_ca: CAs of devices' certificates; None: devices need none.
        upload_bytes: the largest body of a management call.
        idle_seconds: how long the service leaves a connection open that nothing comes over.
    """

    listen: Place
    upstream: Upstream
    gateway_socket: Path
    relay: Place
    certificate: Path
    private_key: Path | None
    tls_key: TlsKeyUri | None
    client_ca: Path | None
    upload_bytes: int
    idle_seconds: float
