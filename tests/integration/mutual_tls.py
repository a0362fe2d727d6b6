"""What the tests of mutual TLS have in common: CAs, services that trust them, and clients that show certificates."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from tests.integration.running import Installation
from tests.support.client_cas import Ca, Issued, new_ca

# A route for all who are known, whatever else they may do.
KNOWN = "/v1/log/checkpoint"
BUILDS, DEVICES, STRANGER = new_ca("builds"), new_ca("devices"), new_ca("builds")
BUILD, DEVICE = BUILDS.issue(), DEVICES.issue()
IDENTITY, DEVICE_USE = 'use = "identity"\nfield = "san-uri"', 'use = "device"'


def trust(installation: Installation, **cas: tuple[Ca, str]) -> None:
    """Name client CAs in the configuration."""
    with installation.config.open("a") as config:
        for name, (ca, rest) in cas.items():
            file = ca.write(installation.directory, name)
            config.write(f'\n[[client_ca]]\nname = "{name}"\nfile = "{file.name}"\n{rest}\n')


@contextmanager
def by_tls(
    service: Installation, issued: Issued | None, directory: Path, headers: Mapping[str, str] | None = None
) -> Iterator[httpx.Client]:
    """A client that shows this certificate."""
    context = service.tls()
    if issued is not None:
        context.load_cert_chain(*issued.write(directory))
    with httpx.Client(base_url=service.url, verify=context, timeout=30.0, headers=headers) as http:
        yield http


def code(answer: httpx.Response) -> str:
    """What was refused; empty for a success."""
    return "" if answer.is_success else str(answer.json()["code"])


def bearer(service: Installation) -> dict[str, str]:
    return {"Authorization": f"Bearer {service.api_token}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    issued: Issued | None
    code: str
    token: bool = False


def as_nginx_tells(issued: Issued, verify: str = "SUCCESS") -> dict[str, str]:
    return {"X-SSL-Client-Cert": quote(issued.pem.decode(), safe=""), "X-SSL-Client-Verify": verify}


def as_rfc_9440_tells(issued: Issued) -> dict[str, str]:
    return {"Client-Cert": f":{base64.b64encode(issued.der).decode()}:"}


@contextmanager
def by_gateway(service: Installation) -> Iterator[httpx.Client]:
    transport = httpx.HTTPTransport(uds=str(service.directory / "gateway.sock"))
    with httpx.Client(transport=transport, base_url="http://service", timeout=30.0) as http:
        yield http


FORGED = {
    "as nginx tells": as_nginx_tells(BUILD),
    "as RFC 9440 tells": as_rfc_9440_tells(BUILD),
    "that there is none": {"X-SSL-Client-Verify": "NONE"},
    "a chain": {"Client-Cert-Chain": ":AAAA:"},
}
