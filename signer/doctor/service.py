"""The service from outside: its certificate, and whether its workers answer and are ready to sign."""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from signer.addresses import Address
from signer.doctor.examination import Examination
from signer.doctor.report import Finding, Unchecked, failed, ok, or_ok, warning
from signer.errors import SignerError
from signer.server_settings import ServerSettings, Tls
from signer.shown_certificate import shown_certificate
from signer.storage.server_certificate_store import SqlServerCertificates
from signer.tls import ShownCertificate

PROBE_TIMEOUT = 5.0
MAX_ANSWER_BYTES = 1 << 16
MAX_CONDITIONS = 8
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (a wildcard is read, not bound)
HTTP_OK = 200
EXPIRY_WARNING = timedelta(days=30)
MAX_PEM_BYTES = 1 << 20
RENEW = "artifact-signer server-certificates create server, then bundle, then switch"


def tls_certificate(examination: Examination) -> Iterator[Finding]:
    """The certificate is in date, belongs to the private key and names the host that the service listens on."""
    server = examination.settings.server
    if server.tls is Tls.OFF:
        yield ok("TLS is off, the service is reached on this machine only")
        return
    certificate, recorded = served_certificate(examination), recorded_certificate(examination)
    if certificate is None:
        yield failed(f"{server.certificate} holds no certificate that can be read", RENEW)
        return
    if recorded is not None:
        # The rest is the same, whatever file the private half is in.
        server = server.model_copy(update={"private_key": recorded.private_key})
    now = examination.surroundings.clock()
    found = [*_expiry(server, certificate, now), *_private_key(server, certificate), *_names(server, certificate)]
    end = certificate.not_valid_after_utc.date()
    yield from or_ok(found, f"the TLS certificate is valid until {end}, fits its key and names the host")


def served_certificate(examination: Examination) -> x509.Certificate | None:
    """What the service shall show: as on record, or the first certificate of the configured file; None without TLS or
    where it cannot be read.
    """
    server = examination.settings.server
    if server.tls is Tls.OFF:
        return None
    recorded = recorded_certificate(examination)
    if recorded is not None:
        return x509.load_pem_x509_certificates(recorded.pem.encode("ascii"))[0]
    try:
        with server.certificate.open("rb") as file:
            return x509.load_pem_x509_certificates(file.read(MAX_PEM_BYTES))[0]
    except (OSError, ValueError):
        return None


def recorded_certificate(examination: Examination) -> ShownCertificate | None:
    """What is on record as shown; None where that is the configured file, or cannot be told."""
    try:
        store = SqlServerCertificates(database=examination.usable_database(), clock=examination.surroundings.clock)
        return shown_certificate(examination.settings, store)
    except (Unchecked, SignerError):
        return None


def _expiry(server: ServerSettings, certificate: x509.Certificate, now: datetime) -> Iterator[Finding]:
    end = certificate.not_valid_after_utc
    if end < now:
        yield failed(f"the TLS certificate {server.certificate} expired on {end.date()}: clients refuse it", RENEW)
    elif end - now < EXPIRY_WARNING:
        yield warning(f"the TLS certificate {server.certificate} expires on {end.date()}", RENEW)


def _private_key(server: ServerSettings, certificate: x509.Certificate) -> Iterator[Finding]:
    try:
        with server.private_key.open("rb") as file:
            key = load_pem_private_key(file.read(MAX_PEM_BYTES), password=None)
    except OSError as error:
        yield failed(f"{server.private_key} cannot be read: {(error.strerror or type(error).__name__).lower()}", RENEW)
        return
    except TypeError:
        yield failed(f"{server.private_key} is encrypted, the service starts without anybody to ask", RENEW)
        return
    except (ValueError, UnsupportedAlgorithm):
        yield failed(f"{server.private_key} holds no private key that can be read", RENEW)
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        yield failed(f"{server.certificate} and {server.private_key} do not belong together", RENEW)


def _names(server: ServerSettings, certificate: x509.Certificate) -> Iterator[Finding]:
    wanted = dict(_clients_names(server))
    if not wanted:
        return  # under which name clients come is known to them alone
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        yield failed("the TLS certificate has no alternative names (SAN), no client accepts it", RENEW)
        return
    for host, reason in wanted.items():
        if not covers(names, host):
            yield warning(
                f"the TLS certificate does not name {host}, {reason}",
                "clients that use this name refuse it: use a certificate with it, or the name that the certificate has",
            )


def _clients_names(server: ServerSettings) -> Iterator[tuple[str, str]]:
    if server.unix_socket is None and server.host not in WILDCARDS:
        yield server.host, "on which the service listens"
    if server.url is not None and server.unix_socket is None:
        yield Address.parse(server.url).host, "which server.url calls the service"


def covers(names: x509.SubjectAlternativeName, host: str) -> bool:
    """Whether the names hold ``host``: an address as such, a DNS name with at most a leading wildcard label."""
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        wanted = host.lower().rstrip(".")
        parent = wanted.partition(".")[2]
        known = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
        return wanted in known or (bool(parent) and f"*.{parent}" in known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP status and the JSON object that came with it; ``certificate``: DER, None without TLS."""

    status: int
    document: dict[str, object]
    certificate: bytes | None


def workers(examination: Examination) -> Iterator[Finding]:
    """The workers answer ``/healthz`` with the configured certificate, and ``/readyz`` says that they can sign."""
    server = examination.settings.server
    try:
        health = ask(server, "/healthz")
    except (ConnectionRefusedError, FileNotFoundError):
        yield warning(
            f"nothing listens on {server.bind}: the service is not running",
            f"artifact-signer serve --config {examination.config}",
        )
        return
    except (OSError, http.client.HTTPException, ValueError) as error:
        yield failed(
            f"what listens on {server.bind} does not answer as this service: {_reason(error)}",
            "look at the log of the service, and at what else may listen there (ss -ltnp)",
        )
        return
    configured = served_certificate(examination)
    if configured is not None and health.certificate != configured.public_bytes(Encoding.DER):
        yield failed(
            f"what listens on {server.bind} shows another certificate than {server.certificate}",
            "restart the service if the certificate was renewed; otherwise find out who listens there",
        )
        return
    if health.status != HTTP_OK:
        yield failed(f"the service on {server.bind} answers /healthz with status {health.status}", "look at its log")
        return
    yield ok(f"the service answers on {server.bind}")
    yield _readiness(examination)


def ask(server: ServerSettings, path: str) -> Answer:
    """``GET path`` on the service's own address. Raises ``OSError``, ``HTTPException`` or ``ValueError``.

    No authority is asked about the certificate: the caller compares it with the configured one, which an expired or
    self-signed certificate passes as well.
    """
    with closing(_connection(server)) as connection:
        certificate = connection.getpeercert(binary_form=True) if isinstance(connection, ssl.SSLSocket) else None
        exchange = http.client.HTTPConnection("localhost", timeout=PROBE_TIMEOUT)
        exchange.sock = connection
        exchange.request("GET", path, headers={"Connection": "close"})
        with exchange.getresponse() as response:
            document = json.loads(response.read(MAX_ANSWER_BYTES))
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004  (what came is wrong, not how it was asked for)
        return Answer(status=response.status, document=document, certificate=certificate)


def _connection(server: ServerSettings) -> socket.socket:
    if server.unix_socket is not None:
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(PROBE_TIMEOUT)
        try:
            plain.connect(str(server.unix_socket))
        except BaseException:
            plain.close()
            raise
    else:
        port = int(server.bind.rpartition(":")[2])
        plain = socket.create_connection((WILDCARDS.get(server.host, server.host), port), timeout=PROBE_TIMEOUT)
    if server.tls is Tls.OFF:
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # compared by the caller, byte by byte
    try:
        return context.wrap_socket(plain)
    except BaseException:
        plain.close()
        raise


def _readiness(examination: Examination) -> Finding:
    server = examination.settings.server
    try:
        answer = ask(server, "/readyz")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return failed(f"the service on {server.bind} does not answer /readyz: {_reason(error)}", "look at its log")
    if answer.status == HTTP_OK:
        return ok("the service is ready: every active key has just made a verified signature")
    return failed(
        f"the service is not ready: {_broken(examination) or 'its workers have not proved their keys yet'}",
        "the lines of this report about token, PIN, keys and database say what to repair",
    )


def _broken(examination: Examination) -> str:
    """What the workers put on record; the answer of the service tells names to those with credentials only."""
    try:
        reports = examination.worker_reports()
    except (Unchecked, SignerError):
        return "what is broken is on record in the database, which cannot be read"
    broken = dict.fromkeys(
        f"{condition.name}: {condition.code}"
        for report in reports
        for condition in report.conditions
        if condition.code is not None
    )
    return ", ".join(list(broken)[:MAX_CONDITIONS])


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {PROBE_TIMEOUT:.0f} seconds"
    if isinstance(error, ssl.SSLError):
        return f"no TLS ({(error.reason or 'refused').replace('_', ' ').lower()})"
    return (error.strerror or type(error).__name__).lower() if isinstance(error, OSError) else "no JSON over HTTP"
