"""Certificates of servers: how long they last, whether this machine can show them, and whether devices know of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, or_ok, warning
from signer.domain.server_certificates import EXPIRY_DAYS, OWN_SERVER, ServerCertificate, ServerCertificates
from signer.errors import ConfigurationInvalid, SignerError
from signer.server_key_files import ServerKeyFiles
from signer.server_settings import Tls
from signer.shown_certificate import configured_fingerprint
from signer.storage.server_certificate_store import SqlServerCertificates

FIRST, *_, LAST = EXPIRY_DAYS


def server_certificates(examination: Examination) -> Iterator[Finding]:
    """As the module says."""
    database, now = examination.usable_database(), examination.surroundings.clock()
    store = SqlServerCertificates(database=database, clock=examination.surroundings.clock)
    try:
        servers = [store.of(name) for name in store.names()]
    except SignerError as error:
        yield failed(f"the certificates of servers cannot be believed: {error.code}", "artifact-signer log verify")
        return
    problems = [finding for server in servers for finding in _lasting(server, now)]
    own = next((server for server in servers if server.name == OWN_SERVER), None)
    if examination.settings.server.tls is Tls.ON:
        problems += list(_own(examination, own))
    yield from or_ok(problems, f"the certificates of {len(servers)} servers last, and this machine can show its own")
    if not servers:
        yield ok("no certificate of a server is on record")


def _lasting(server: ServerCertificates, now: datetime) -> Iterator[Finding]:
    replace = f"artifact-signer server-certificates create {server.name}, and bring the bundle to the devices"
    for certificate in (server.active, server.next):
        if certificate is None or certificate.not_after - now > timedelta(days=FIRST):
            continue
        sentence = f"the {certificate.state} certificate of {server.name} ends on {certificate.not_after.date()}"
        late = certificate.not_after - now <= timedelta(days=LAST)
        yield failed(sentence, replace) if late else warning(sentence, replace)
    if server.next is not None and server.next.published_at is None:
        yield warning(
            f"the next certificate of {server.name} was told to no device",
            f"artifact-signer server-certificates bundle {server.name}",
        )


def _own(examination: Examination, own: ServerCertificates | None) -> Iterator[Finding]:
    settings = examination.settings
    known = () if own is None else own.certificates
    try:
        shown = configured_fingerprint(settings)
    except ConfigurationInvalid:
        return  # told with the certificate itself
    if all(each.fingerprint != shown for each in known):
        yield warning(
            f"{settings.server.certificate} is shown, and is not on record",
            "artifact-signer database upgrade where the server has none, otherwise import it and switch to it",
        )
        return
    keys = ServerKeyFiles(directory=settings.server_certificates.directory, further=settings.server.private_key)
    for certificate in () if own is None else (own.active, own.next):
        if certificate is not None and keys.find(OWN_SERVER, certificate.spki_sha256) is None:
            yield _without_key(certificate, str(settings.server_certificates.directory))


def _without_key(certificate: ServerCertificate, directory: str) -> Finding:
    return failed(
        f"this machine has no private key for the {certificate.state} certificate of {certificate.name}",
        f"copy its .key file from the machine that made it into {directory}, mode 0600, and send the service HUP",
    )
