"""Where commands about servers' certificates do their work: over the API, or on the database of an installation.

Both take and give the JSON documents of the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from signer.cli.connection import connected
from signer.cli.local_database import local_database

if TYPE_CHECKING:
    from signer.client import Client
    from signer.services.server_certificates import ServerCertificateAdministration, ServerCertificateRequest

Document = Mapping[str, Any]
ROUTE = "/v1/server-certificates"


class ServerCertificateSource(Protocol):
    """What the commands ask for. ``wanted``: members of the routes' bodies."""

    def certificates(self, name: str | None) -> Document:
        """All, or those of one server."""

    def create(self, name: str, wanted: Document) -> Document:
        """Make its next certificate."""

    def request(self, name: str, wanted: Document) -> str:
        """Make a pair and a request."""

    def take(self, name: str, certificate: str) -> Document:
        """Take in a certificate."""

    def bundle(self, name: str) -> str:
        """What devices should trust."""

    def switch(self, name: str, *, force: bool, reason: str | None) -> None:
        """Let the next one be active."""

    def retire(self, name: str, certificate: str) -> None:
        """Take one from the bundle."""


class OverTheApi:
    """Asks a service."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def certificates(self, name: str | None) -> Document:
        """All, or those of one server."""
        return self._client.read(ROUTE if name is None else _path(name))

    def create(self, name: str, wanted: Document) -> Document:
        """Make its next certificate."""
        return self._client.ask(_path(name, "create"), wanted)

    def request(self, name: str, wanted: Document) -> str:
        """Make a pair and a request."""
        return str(self._client.ask(_path(name, "csr"), wanted)["request"])

    def take(self, name: str, certificate: str) -> Document:
        """Take in a certificate."""
        return self._client.ask(_path(name, "import"), {"certificate": certificate})

    def bundle(self, name: str) -> str:
        """What devices should trust."""
        return self._client.text(_path(name, "bundle"))

    def switch(self, name: str, *, force: bool, reason: str | None) -> None:
        """Let the next one be active."""
        why = {} if reason is None else {"reason": reason}
        self._client.ask(_path(name, "switch"), {"force": force, **why})

    def retire(self, name: str, certificate: str) -> None:
        """Take one from the bundle."""
        self._client.ask(_path(name, "retire"), {"certificate": certificate})


class OnTheDatabase:
    """Works on the database itself; whoever can open it may."""

    def __init__(self, kept: ServerCertificateAdministration, *, actor: str) -> None:
        from signer.services import server_certificate_documents

        self._documents = server_certificate_documents
        self._kept = kept
        self._actor = actor

    def certificates(self, name: str | None) -> Document:
        """All, or those of one server."""
        return self._documents.servers_document(self._kept.servers() if name is None else [self._kept.server(name)])

    def create(self, name: str, wanted: Document) -> Document:
        """Make its next certificate."""
        made = self._kept.create(name, _request(wanted), actor=self._actor)
        return self._documents.server_certificate_document(made)

    def request(self, name: str, wanted: Document) -> str:
        """Make a pair and a request."""
        return self._kept.request(name, _request(wanted), actor=self._actor)

    def take(self, name: str, certificate: str) -> Document:
        """Take in a certificate."""
        taken = self._kept.take(name, certificate.encode(), actor=self._actor)
        return self._documents.server_certificate_document(taken)

    def bundle(self, name: str) -> str:
        """What devices should trust."""
        return self._kept.bundle(name, actor=self._actor)

    def switch(self, name: str, *, force: bool, reason: str | None) -> None:
        """Let the next one be active."""
        self._kept.switch(name, force=force, reason=reason, actor=self._actor)

    def retire(self, name: str, certificate: str) -> None:
        """Take one from the bundle."""
        self._kept.retire(name, certificate, actor=self._actor)


@contextmanager
def opened(config: Path | None, command: str) -> Iterator[ServerCertificateSource]:
    """The database of the installation, or the service where no configuration is given."""
    if config is None:
        with connected() as client:
            yield OverTheApi(client)
        return
    from signer.bootstrap import utc_now
    from signer.server_certificate_bootstrap import configured_server_certificates

    with local_database(config) as (settings, database):
        kept = configured_server_certificates(settings, database, utc_now)
        yield OnTheDatabase(kept, actor=f"artifact-signer {command}")


def _request(wanted: Document) -> ServerCertificateRequest:
    from signer.services.server_certificates import ServerCertificateRequest

    request = wanted.get("csr")
    return ServerCertificateRequest(
        unverified_subject=wanted.get("subject"),
        unverified_names=tuple(wanted.get("san", ())),
        days=wanted.get("days"),
        ca=wanted.get("ca"),
        unverified_request=None if request is None else str(request).encode(),
    )


def _path(name: str, *parts: str) -> str:
    return "/".join([ROUTE, *(quote(part, safe="") for part in (name, *parts))])
