"""The certificate that the service shows to its clients."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from signer.config import ServerSettings, Tls
from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, or_ok, warning

EXPIRY_WARNING = timedelta(days=30)
MAX_PEM_BYTES = 1 << 20
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  (compared with, not bound)
RENEW = "put a new certificate and its key in place and restart the service"


def tls_certificate(examination: Examination) -> Iterator[Finding]:
    """The certificate is in date, belongs to the private key and names the host that the service listens on."""
    server = examination.settings.server
    if server.tls is Tls.OFF:
        yield ok("TLS is off, the service is reached on this machine only")
        return
    certificate = served_certificate(examination)
    if certificate is None:
        yield failed(f"{server.certificate} holds no certificate that can be read", RENEW)
        return
    now = examination.surroundings.clock()
    found = [*_expiry(server, certificate, now), *_private_key(server, certificate), *_names(server, certificate)]
    end = certificate.not_valid_after_utc.date()
    yield from or_ok(found, f"the TLS certificate is valid until {end}, fits its key and names the host")


def served_certificate(examination: Examination) -> x509.Certificate | None:
    """The first certificate of the configured file; None without TLS or where it cannot be read."""
    server = examination.settings.server
    if server.tls is Tls.OFF:
        return None
    try:
        with server.certificate.open("rb") as file:
            return x509.load_pem_x509_certificates(file.read(MAX_PEM_BYTES))[0]
    except (OSError, ValueError):
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
    if server.unix_socket is not None or server.host in WILDCARDS:
        return  # under which name clients come is known to them alone
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        yield failed("the TLS certificate has no alternative names (SAN), no client accepts it", RENEW)
        return
    if not covers(names, server.host):
        yield warning(
            f"the TLS certificate does not name {server.host}, on which the service listens",
            "clients that use this name refuse it: use a certificate with it, or the name that the certificate has",
        )


def covers(names: x509.SubjectAlternativeName, host: str) -> bool:
    """Whether the names hold ``host``: an address as such, a DNS name with at most a leading wildcard label."""
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        wanted = host.lower().rstrip(".")
        parent = wanted.partition(".")[2]
        known = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
        return wanted in known or (bool(parent) and f"*.{parent}" in known)
