"""Where commands about certificates of devices do their work: over the API, or on the database of an installation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from signer.cli.connection import connected
from signer.cli.local_database import local_database

if TYPE_CHECKING:
    from signer.client import Client
    from signer.services.device_certificate_administration import DeviceCertificateAdministration

Document = Mapping[str, Any]
CERTIFICATES = "/v1/device-certificates"
PER_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which certificates: of a CA, of a device, or that end within so many days."""

    ca: str | None
    device: str | None
    within_days: int | None


class CertificateSource(Protocol):
    """What the commands ask for that need no token."""

    def page(self, chosen: Chosen, after: str) -> list[Document]:
        """The certificates with a higher serial number, as many as come at once."""

    def revoke(self, ca: str, serial: str, reason: str) -> bool:
        """Let one prove nothing any more; False where it did not before."""

    def revoked(self, ca: str) -> list[str]:
        """The serial numbers that are revoked of a CA."""


class OverTheApi:
    """Asks a service."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def page(self, chosen: Chosen, after: str) -> list[Document]:
        """A page."""
        wanted = {"ca": chosen.ca, "device": chosen.device, "within_days": chosen.within_days}
        given = {name: value for name, value in wanted.items() if value is not None}
        found = self._client.read(CERTIFICATES, **given, after=after, limit=PER_PAGE)
        return list(found["device_certificates"])

    def revoke(self, ca: str, serial: str, reason: str) -> bool:
        """Revoke one."""
        body = {"ca": ca, "serial": serial, "reason": reason}
        return bool(self._client.ask(f"{CERTIFICATES}/revoke", body)["changed"])

    def revoked(self, ca: str) -> list[str]:
        """Serial numbers."""
        found = self._client.read(f"{CERTIFICATES}/{quote(ca, safe='')}/revoked")
        return [str(each["serial"]) for each in found["revoked"]]


class OnTheDatabase:
    """Works on the database itself; whoever can open it may."""

    def __init__(self, certificates: DeviceCertificateAdministration, *, actor: str) -> None:
        self._certificates = certificates
        self._actor = actor

    def page(self, chosen: Chosen, after: str) -> list[Document]:
        """A page."""
        from signer.services.device_certificate_administration import CertificateWish
        from signer.services.device_certificate_documents import list_document

        days = chosen.within_days
        within = None if days is None else timedelta(days=days)
        wish = CertificateWish(ca=chosen.ca, device=chosen.device, within=within, after=after, limit=PER_PAGE)
        return list(list_document(self._certificates.certificates(wish))["device_certificates"])

    def revoke(self, ca: str, serial: str, reason: str) -> bool:
        """Revoke one."""
        return self._certificates.revoke(ca, serial, reason=reason, actor=self._actor)

    def revoked(self, ca: str) -> list[str]:
        """Serial numbers."""
        return [each.serial for each in self._certificates.revoked(ca)]


def all_certificates(source: CertificateSource, chosen: Chosen) -> list[Document]:
    """All that are chosen, by serial number."""
    found: list[Document] = []
    full = True
    while full:
        page = source.page(chosen, found[-1]["serial"] if found else "")
        found += page
        full = len(page) == PER_PAGE
    return found


@contextmanager
def opened(config: Path | None, command: str) -> Iterator[CertificateSource]:
    """The database of the installation, or the service where no configuration is given."""
    if config is None:
        with connected() as client:
            yield OverTheApi(client)
        return
    from signer.administration import configured_administration
    from signer.bootstrap import utc_now

    with local_database(config) as (settings, database):
        services = configured_administration(settings, database, utc_now)
        yield OnTheDatabase(services.device_certificates, actor=f"artifact-signer {command}")
