"""Puts together what keeps the certificates of servers: for the service, and for commands on the machine."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from signer.config import Settings
from signer.domain.server_certificates import OWN_SERVER, ServerCertificate
from signer.server_certificate_settings import ServerCertificateSettings
from signer.server_key_files import ServerKeyFiles
from signer.server_settings import Tls
from signer.services.ports import Clock
from signer.services.server_certificates import ServerCertificateAdministration, ServerCertificateTerms
from signer.storage.database import Database
from signer.storage.server_certificate_store import SqlServerCertificates

MAX_PEM_BYTES = 1 << 20


def server_certificate_terms(settings: ServerCertificateSettings) -> ServerCertificateTerms:
    """What is made, and when it may be used."""
    return ServerCertificateTerms(
        lifetime=timedelta(days=settings.days),
        margin=timedelta(seconds=settings.margin),
        publish_days=settings.publish_days,
    )


def server_certificates(
    settings: ServerCertificateSettings, database: Database, clock: Clock, *, private_key: Path | None
) -> ServerCertificateAdministration:
    """What keeps the certificates of servers. ``private_key``: a file that is looked into for private halves too."""
    return ServerCertificateAdministration(
        store=SqlServerCertificates(database=database, clock=clock),
        keys=ServerKeyFiles(directory=settings.directory, further=private_key),
        clock=clock,
        terms=server_certificate_terms(settings),
    )


def configured_server_certificates(
    settings: Settings, database: Database, clock: Clock
) -> ServerCertificateAdministration:
    """The same as the settings say, with the private halves of this machine."""
    return server_certificates(settings.server_certificates, database, clock, private_key=settings.server.private_key)


def take_own_files(settings: Settings, database: Database, clock: Clock, *, actor: str) -> ServerCertificate | None:
    """Put what the service shows on record, as the active certificate of its own name; None where there is one.

    Raises as ``ServerCertificateAdministration.adopt`` does, and ``OSError`` where the file cannot be read.
    """
    known = SqlServerCertificates(database=database, clock=clock).of(OWN_SERVER).certificates
    if settings.server.tls is Tls.OFF or known:
        return None
    kept = configured_server_certificates(settings, database, clock)
    with settings.server.certificate.open("rb") as file:
        return kept.adopt(OWN_SERVER, file.read(MAX_PEM_BYTES), actor=actor)
