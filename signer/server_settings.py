"""``[server]``: where and how the service listens, and whom it believes."""

from __future__ import annotations

import ipaddress
import os
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from signer.addresses import Address, is_loopback
from signer.domain.client_choices import CertificateHeader
from signer.settings_section import MEBIBYTE, Section

# What fits into ``sockaddr_un`` with the NUL at its end.
MAX_SOCKET_PATH_BYTES = 107

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


LOOPBACK = {4: ipaddress.ip_network("127.0.0.0/8"), 6: ipaddress.ip_network("::1/128")}


class Tls(StrEnum):
    """Whether the service speaks TLS."""

    ON = "on"
    OFF = "off"


class ServerSettings(Section):
    """``[server]``: where and how the service listens."""

    bind: str = Field("127.0.0.1:8443", description="HOST:PORT, [IPV6]:PORT or unix:PATH")
    url: str | None = Field(None, description="what the service calls itself: https://HOST[:PORT]")
    gateway_socket: Path | None = Field(None, description="second listener, a Unix socket, for a gateway before it")
    trusted_proxies: tuple[str, ...] = Field((), description="addresses or networks whose X-Forwarded-For is believed")
    certificate_header: CertificateHeader = Field(
        CertificateHeader.OFF, description="form in which a proxy tells of client certificates"
    )
    certificate_header_peers: tuple[str, ...] = Field(
        (), description="addresses or networks that may tell, besides the gateway socket"
    )
    tls: Tls = Field(Tls.ON, description="off only on loopback or a Unix socket")
    certificate: Path = Field(Path("cert.crt"), description="PEM certificate chain of the service")
    private_key: Path = Field(Path("private.key"), description="PEM private key of the certificate")
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=64, description="worker processes")
    threads: int = Field(8, ge=1, le=256, description="threads of a worker for requests that are not signatures")
    connections: int | None = Field(None, ge=16, description="most open connections of all workers together")
    handshake_timeout: float = Field(
        10.0, gt=0, le=600, description="longest wait for a first byte, then for TLS, seconds"
    )
    head_timeout: float = Field(10.0, gt=0, le=600, description="longest wait for a complete request head, seconds")
    read_timeout: float = Field(30.0, gt=0, le=600, description="longest silence of a client, seconds")
    body_rate: int = Field(1024, ge=0, le=MEBIBYTE, description="least rate of a body on average, bytes per second")
    keep_alive: float = Field(15.0, gt=0, le=600, description="longest wait for another request, seconds")
    request_timeout: float = Field(60.0, gt=0, le=600, description="longest wait for an answer, seconds")
    metrics_allow: tuple[str, ...] = Field((), description="addresses or networks that may read the metrics")
    graceful_timeout: float = Field(30.0, gt=0, le=600, description="time for requests under way at a stop, seconds")

    @property
    def metrics_networks(self) -> tuple[Network, ...]:
        """``metrics_allow``, read."""
        return _networks(self.metrics_allow)

    @property
    def proxy_networks(self) -> tuple[Network, ...]:
        """``trusted_proxies``, read."""
        return _networks(self.trusted_proxies)

    @property
    def certificate_header_networks(self) -> tuple[Network, ...]:
        """``certificate_header_peers``, read."""
        return _networks(self.certificate_header_peers)

    @field_validator("metrics_allow", "trusted_proxies", "certificate_header_peers", mode="before")
    @classmethod
    def _a_variable_lists_addresses_with_commas(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("metrics_allow", "trusted_proxies", "certificate_header_peers")
    @classmethod
    def _networks_are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            _networks(value)
        except ValueError:
            raise ValueError("must list addresses or networks, such as 192.0.2.0/24") from None
        return value

    @field_validator("url")
    @classmethod
    def _url_is_one(cls, url: str | None) -> str | None:
        if url is not None and Address.parse(url).prefix:
            raise ValueError("must be https://HOST[:PORT], without a path")
        return url if url is None else url.rstrip("/")

    @property
    def unix_socket(self) -> Path | None:
        """The path of the Unix socket, if it listens on one."""
        return Path(self.bind.removeprefix("unix:")) if self.bind.startswith("unix:") else None

    @property
    def host(self) -> str:
        """The host part of ``bind``, without the brackets of an IPv6 address."""
        return self.bind.rpartition(":")[0].strip("[]")

    @field_validator("bind")
    @classmethod
    def _bind_has_host_and_port(cls, bind: str) -> str:
        if bind.startswith("unix:") and bind != "unix:":
            return bind
        host, _, port = bind.rpartition(":")
        if not host or not (port.isascii() and port.isdecimal()) or int(port) not in range(1 << 16):
            raise ValueError("must be HOST:PORT, [IPV6]:PORT or unix:PATH")
        bracketed = host.startswith("[") and host.endswith("]")
        if bracketed != (":" in host) or (bracketed and not _is_ipv6(host[1:-1])):
            # Without brackets, where the address ends and the port begins would be a guess.
            raise ValueError("must have its IPv6 address in brackets: [IPV6]:PORT")
        return bind

    @model_validator(mode="after")
    def _plain_http_stays_on_this_machine(self) -> Self:
        if self.tls is Tls.OFF and self.unix_socket is None and not is_loopback(self.host):
            raise ValueError('tls = "off" is accepted only on a loopback address or a Unix socket')
        return self

    @model_validator(mode="after")
    def _who_tells_of_certificates_is_known(self) -> Self:
        told = self.certificate_header is not CertificateHeader.OFF
        if told and self.gateway_socket is None and not self.certificate_header_peers:
            raise ValueError("certificate_header needs gateway_socket or certificate_header_peers")
        if self.certificate_header_peers and not told:
            raise ValueError("certificate_header_peers needs certificate_header")
        if any(network.overlaps(LOOPBACK[network.version]) for network in self.certificate_header_networks):
            # From there every user of this machine could tell.
            raise ValueError("certificate_header_peers must not list loopback; gateway_socket is for this machine")
        return self

    @model_validator(mode="after")
    def _two_listeners_are_two(self) -> Self:
        if self.gateway_socket is not None and self.gateway_socket == self.unix_socket:
            raise ValueError("bind and gateway_socket name the same socket")
        return self


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)
